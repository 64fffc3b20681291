import { metadataOf, reasonOf } from '../info.ts'
import type { Claim, EventType, LockEvent, Loss } from '../model.ts'
import type { GrantView } from '../store.ts'
import type { EventBusLike } from './eventbus.ts'
import type { LockMetrics, Measured } from './metrics.ts'

/** The request that something happened to. */
export interface Observed {
  readonly agentId: string
  readonly claims: readonly Claim[]
  readonly reason: string | null
  readonly metadata: string | null
}

/** A lease whose last handle in this process has gone. */
export interface Ended {
  readonly request: Observed
  readonly heldMs: number
}

type Details = Partial<Pick<LockEvent, 'fencingToken' | 'heldMs' | 'waitedMs' | 'forced'>>

/** Tells the metrics and the event bus what happens in this process, each thing once. */
export class Observer {
  readonly #metrics: LockMetrics
  readonly #bus: EventBusLike

  constructor(metrics: LockMetrics, bus: EventBusLike) {
    this.#metrics = metrics
    this.#bus = bus
  }

  storeAnswered(tookMs: number, outcome: 'ok' | 'error'): void {
    this.#metrics.storeAnswered(tookMs, outcome)
  }

  granted(request: Observed, grant: GrantView, waitedMs: number): void {
    this.#metrics.granted(measured(request), waitedMs)
    this.#publish('resource.locked', request, grant.cursor, {
      fencingToken: grant.fence,
      waitedMs: grant.waitedMs,
    })
  }

  busy(request: Observed): void {
    this.#metrics.contended(measured(request))
  }

  waiting(request: Observed, cursor: string | null): void {
    this.#metrics.contended(measured(request))
    this.#publish('resource.waiting', request, cursor, {})
  }

  timedOut(request: Observed, waitedMs: number, cursor: string | null): void {
    this.#metrics.timedOut(measured(request))
    this.#publish('resource.abandoned', request, cursor, { waitedMs: Math.round(waitedMs) })
  }

  /** The caller left the line before its time was up. */
  abandoned(request: Observed, waitedMs: number): void {
    this.#publish('resource.abandoned', request, null, { waitedMs: Math.round(waitedMs) })
  }

  deadlocked(request: Observed, wasWaiting: boolean, cursor: string | null): void {
    if (!wasWaiting) this.#metrics.contended(measured(request))
    this.#publish('resource.deadlock', request, cursor, {})
  }

  extended(request: Observed, fencingToken: number, cursor: string | null): void {
    this.#publish('resource.extended', request, cursor, { fencingToken })
  }

  released({ request, heldMs }: Ended, fencingToken: number, cursor: string | null): void {
    this.#metrics.released(measured(request), heldMs)
    this.#publish('resource.unlocked', request, cursor, { fencingToken, heldMs: Math.round(heldMs) })
  }

  lost({ request, heldMs }: Ended, fencingToken: number, loss: Loss, cursor: string | null): void {
    this.#metrics.lost(measured(request), loss.kind, heldMs)
    const { kind, by, reason = '' } = loss
    // A manager that closes releases what it holds.
    const type = by === undefined && kind !== 'closed' ? 'resource.expired' : 'resource.unlocked'
    this.#publish(type, request, cursor, {
      fencingToken,
      heldMs: Math.round(heldMs),
      ...(by === undefined ? {} : { forced: { by, reason } }),
    })
  }

  #publish(type: EventType, request: Observed, cursor: string | null, details: Details): void {
    if (this.#bus.hasSubscribers?.(type) === false) return
    const { agentId, claims, reason, metadata } = request
    const event: LockEvent = {
      ...(cursor === null ? {} : { cursor }),
      type,
      at: new Date(),
      agentId,
      resources: claims,
      ...reasonOf(reason),
      ...metadataOf(metadata),
      ...details,
    }
    try {
      this.#bus.publish(event)
    } catch (error) {
      // Any object serves as a bus, and none may harm a lock.
      process.emitWarning(`The event bus failed on '${type}': ${String(error)}`, 'HoldfastWarning')
    }
  }
}

function measured({ agentId, claims }: Observed): Measured {
  return { agentId, resources: claims }
}

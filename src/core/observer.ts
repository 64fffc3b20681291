import type { EventBusLike } from './eventbus.ts'
import { metadataOf, reasonOf } from './info.ts'
import type { LockMetrics, Measured } from './metrics.ts'
import type { Claim, EventType, LockEvent, Loss } from './model.ts'
import type { GrantView } from './store.ts'

/** The request that something happened to. */
export interface Observed {
  readonly agentId: string
  readonly claims: readonly Claim[]
  readonly reason: string | null
  readonly metadata: string | null
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

  /** The caller left the line, or the request was withdrawn before it had joined one. */
  abandoned(request: Observed, waitedMs: number, wasWaiting: boolean): void {
    if (wasWaiting) this.#publish('resource.abandoned', request, null, { waitedMs: Math.round(waitedMs) })
  }

  deadlocked(request: Observed, wasWaiting: boolean, cursor: string | null): void {
    if (!wasWaiting) this.#metrics.contended(measured(request))
    this.#publish('resource.deadlock', request, cursor, {})
  }

  extended(request: Observed, fencingToken: number, cursor: string | null): void {
    this.#publish('resource.extended', request, cursor, { fencingToken })
  }

  released(request: Observed, fencingToken: number, heldMs: number, cursor: string | null): void {
    this.#metrics.released(measured(request), heldMs)
    this.#publish('resource.unlocked', request, cursor, { fencingToken, heldMs: Math.round(heldMs) })
  }

  lost(request: Observed, fencingToken: number, heldMs: number, loss: Loss, cursor: string | null): void {
    this.#metrics.lost(measured(request), loss.kind, heldMs)
    const { by, reason = '' } = loss
    if (by === undefined) this.#publish('resource.expired', request, cursor, { fencingToken, heldMs: Math.round(heldMs) })
    else this.#publish('resource.unlocked', request, cursor, {
        fencingToken,
        heldMs: Math.round(heldMs),
        forced: { by, reason },
      })
  }

  #publish(type: EventType, request: Observed, cursor: string | null, details: Details): void {
    if (this.#bus.hasSubscribers?.(type) === false) return
    const { agentId, claims, reason, metadata } = request
    this.#bus.publish({
      ...(cursor === null ? {} : { cursor }),
      type,
      at: new Date(),
      agentId,
      resources: claims,
      ...reasonOf(reason),
      ...metadataOf(metadata),
      ...details,
    })
  }
}

function measured({ agentId, claims }: Observed): Measured {
  return { agentId, resources: claims }
}

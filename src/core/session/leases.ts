import type { Loss } from '../model.ts'
import type { Ended, Observed } from '../reporting/observer.ts'
import type { Message } from '../store.ts'
import { type Clock, type Deadline, Stopwatch } from '../time/clock.ts'

/** A handle of a lease in this process, as the session needs to know it. */
export interface Holder {
  readonly id: number
  readonly fencingToken: number
  lose(loss: Loss, cursor?: string | null): void
  want(waiters: number): void
  /** Asks the store whether the lease is still there. */
  verify(): void
  /** The lease at the store ends then, or later. */
  prolong(deadline: Deadline, expiresAt: Date): void
}

interface Shared {
  /** Whose lease it is: that of the handle that was there first. */
  readonly request: Observed
  readonly since: Stopwatch
  readonly handles: Set<Holder>
}

/** The leases of one session, each with the handles that share it. */
export class Leases {
  readonly #shared = new Map<number, Shared>()

  get size(): number {
    return this.#shared.size
  }

  has(id: number): boolean {
    return this.#shared.has(id)
  }

  of(id: number): Holder[] {
    return [...(this.#shared.get(id)?.handles ?? [])]
  }

  every(): Holder[] {
    return [...this.#shared.values()].flatMap(({ handles }) => [...handles])
  }

  /** A message that came before, it seems. A grant with another token says that the store went back, and granted anew. */
  compare(message: Message): void {
    if (message.type !== 'granted') return
    for (const lease of this.of(message.id)) if (lease.fencingToken !== message.fence) lease.verify()
  }

  /** Returns whether this is the first handle of its lease. */
  add(lease: Holder, request: Observed, clock: Clock): boolean {
    const known = this.#shared.get(lease.id)
    if (known === undefined) {
      this.#shared.set(lease.id, { request, since: new Stopwatch(clock), handles: new Set([lease]) })
    } else known.handles.add(lease)
    return known === undefined
  }

  /** Returns the lease if this was its last handle. */
  remove(lease: Holder): Ended | undefined {
    const known = this.#shared.get(lease.id)
    if (known === undefined || !known.handles.delete(lease) || known.handles.size > 0) return undefined
    this.#shared.delete(lease.id)
    return { request: known.request, heldMs: known.since.elapsedMs() }
  }
}

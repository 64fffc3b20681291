import type { Loss } from '../model.ts'
import type { Ended, Observed } from '../reporting/observer.ts'
import type { Message } from '../store.ts'
import { type Clock, type Deadline, Stopwatch } from '../time/clock.ts'
import { TurnoverMap } from '../turnover.ts'

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
  readonly handles: Holder[]
}

/** The leases of one session, each with the handles that share it. */
export class Leases {
  readonly #shared = new TurnoverMap<number, Shared>()
  /** Those whose request was granted once more, by a store that went back: nobody has told their handles yet. */
  #superseded: Shared[] = []

  get size(): number {
    return this.#shared.size + this.#superseded.length
  }

  has(id: number): boolean {
    return this.#shared.has(id) || this.#superseded.some((each) => idOf(each) === id)
  }

  of(id: number): Holder[] {
    const latest = this.#shared.get(id)?.handles ?? []
    if (this.#superseded.length === 0) return [...latest]
    return [...latest, ...this.#superseded.filter((each) => idOf(each) === id).flatMap(({ handles }) => handles)]
  }

  every(): Holder[] {
    return [...this.#shared.values(), ...this.#superseded].flatMap(({ handles }) => handles)
  }

  /** Those that share a lease, itself included. */
  with(lease: Holder): Holder[] {
    return [...(this.#find(lease)?.handles ?? [])]
  }

  /** A message that came before, it seems. A grant with another token says that the store went back, and granted anew. */
  compare(message: Message): void {
    if (message.type !== 'granted') return
    for (const lease of this.of(message.id)) if (lease.fencingToken !== message.fence) lease.verify()
  }

  /** Returns whether this is the first handle of its lease. */
  add(lease: Holder, request: Observed, clock: Clock): boolean {
    const known = this.#find(lease)
    known?.handles.push(lease)
    if (known !== undefined) return false
    const latest = this.#shared.get(lease.id)
    if (latest !== undefined) this.#superseded.push(latest)
    this.#shared.set(lease.id, { request, since: new Stopwatch(clock), handles: [lease] })
    return true
  }

  /** Returns the lease if this was its last handle. */
  remove(lease: Holder): Ended | undefined {
    const known = this.#find(lease)
    const index = known?.handles.indexOf(lease) ?? -1
    if (known === undefined || index < 0) return undefined
    known.handles.splice(index, 1)
    if (known.handles.length > 0) return undefined
    if (this.#shared.get(lease.id) === known) this.#shared.delete(lease.id)
    else this.#superseded = this.#superseded.filter((each) => each !== known)
    return { request: known.request, heldMs: known.since.elapsedMs() }
  }

  #find(lease: Holder): Shared | undefined {
    const latest = this.#shared.get(lease.id)
    const isIt = ({ handles: [first] }: Shared): boolean =>
      first?.id === lease.id && first.fencingToken === lease.fencingToken
    return latest !== undefined && isIt(latest) ? latest : this.#superseded.find(isIt)
  }
}

function idOf({ handles: [first] }: Shared): number | undefined {
  return first?.id
}

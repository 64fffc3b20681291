import type { GrantView, Message, Outcome } from '../../../core/store.ts'
import type { Positions } from './composite.ts'
import { outerId } from './ids.ts'

/** A message without the number that the session knows it by: `Omit` would not keep the kinds apart. */
export type Unnumbered = Message extends infer M ? (M extends Message ? Omit<M, 'number'> : never) : never

/** How one shard's ids, times and cursors look from outside. Times are shifted to the clock of the first shard. */
export class Lens {
  readonly #shard: number
  readonly #offsetMs: number
  readonly #positions: Positions

  constructor(shard: number, offsetMs: number, positions: Positions) {
    this.#shard = shard
    this.#offsetMs = offsetMs
    this.#positions = positions
  }

  outerTime(at: number): number {
    return at + this.#offsetMs
  }

  message(message: Message): Unnumbered {
    const { number: _, ...rest } = message
    const id = outerId(this.#shard, rest.id)
    switch (rest.type) {
      case 'granted':
        return this.#grant(rest)
      case 'lost':
        return { ...rest, id, cursor: this.#cursor(rest.cursor) }
      case 'deadlock':
        return { ...rest, id, cycle: this.#cycle(rest.cycle), cursor: this.#cursor(rest.cursor) }
      case 'wanted':
        return { ...rest, id }
    }
  }

  /** Of a step that one shard alone has executed. */
  outcome(outcome: Outcome): Outcome {
    switch (outcome.type) {
      case 'granted':
      case 'entered':
        return this.#grant(outcome)
      case 'waiting':
        return { ...outcome, id: outerId(this.#shard, outcome.id), cursor: this.#cursor(outcome.cursor) }
      case 'busy':
        return { ...outcome, holders: this.shifted(outcome.holders) }
      case 'deadlock':
        return { ...outcome, cycle: this.#cycle(outcome.cycle), cursor: this.#cursor(outcome.cursor) }
      case 'extended':
        return { ...outcome, expiresAt: this.outerTime(outcome.expiresAt), cursor: this.#cursor(outcome.cursor) }
      case 'released':
        return { ...outcome, cursor: this.#cursor(outcome.cursor) }
      case 'cancelled':
        return { ...outcome, holders: this.shifted(outcome.holders), cursor: this.#cursor(outcome.cursor) }
      case 'forced':
        return { ...outcome, ended: this.shifted(outcome.ended) }
      case 'inspected':
        return {
          ...outcome,
          leases: this.shifted(outcome.leases),
          waiting: outcome.waiting.map((each) => ({ ...each, queuedAt: this.outerTime(each.queuedAt) })),
        }
      case 'again':
      case 'gone':
      case 'listed':
      case 'events':
      case 'done':
        return outcome
    }
  }

  shifted<V extends { readonly expiresAt: number }>(views: readonly V[]): V[] {
    return views.map((view) => ({ ...view, expiresAt: this.outerTime(view.expiresAt) }))
  }

  #grant<G extends GrantView>(grant: G): G {
    return {
      ...grant,
      id: outerId(this.#shard, grant.id),
      expiresAt: this.outerTime(grant.expiresAt),
      cursor: this.#cursor(grant.cursor),
    }
  }

  #cycle<L extends { readonly sinceAt: number }>(cycle: readonly L[]): L[] {
    return cycle.map((link) => ({ ...link, sinceAt: this.outerTime(link.sinceAt) }))
  }

  #cursor(cursor: string | null): string | null {
    return cursor === null ? null : this.#positions.cursorOf(this.#shard, cursor)
  }
}

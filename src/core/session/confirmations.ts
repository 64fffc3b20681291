import type { StoreTime } from '../info.ts'
import type { Answer, Batch } from '../store.ts'
import type { Stopwatch } from '../time/clock.ts'

/** A lease that the store may not yet know to have arrived. */
export interface Unconfirmed {
  /** Of the message that granted it. */
  readonly number: number
  /**
   * The store has confirmed the lease, and has told all that it had to tell until then.
   *
   * @param sent runs since the batch was sent that acknowledged the grant
   * @param time the store's clocks when it was executed
   */
  confirmed(sent: Stopwatch, time: StoreTime): void
}

/** The leases of a session that were granted by push, until the store has confirmed them. */
export class Confirmations {
  #unconfirmed: Unconfirmed[] = []
  /** Acknowledged and answered, but the store had more to end or to tell than one batch may: the lease may be lost. */
  #acknowledged: { readonly lease: Unconfirmed; readonly sent: Stopwatch; readonly time: StoreTime }[] = []

  add(lease: Unconfirmed): void {
    this.#unconfirmed.push(lease)
  }

  /** The store does not know these leases any more. */
  clear(): void {
    this.#unconfirmed = []
    this.#acknowledged = []
  }

  /** To be called after the answer's messages were looked at: one that is lost by then must not be confirmed. */
  onAnswer({ acked }: Batch, sent: Stopwatch, { more, now, wallNow }: Answer): void {
    if (this.#unconfirmed.length > 0) {
      const time = { now, wallNow }
      for (const lease of this.#unconfirmed) {
        if (lease.number <= acked) this.#acknowledged.push({ lease, sent, time })
      }
      this.#unconfirmed = this.#unconfirmed.filter(({ number }) => number > acked)
    }
    if (more) return
    for (const { lease, ...when } of this.#acknowledged.splice(0)) lease.confirmed(when.sent, when.time)
  }
}

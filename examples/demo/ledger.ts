import type { GapEvent, LockEvent } from 'holdfast'

/** What happened to the locks of one run. */
export interface Figures {
  readonly grants: number
  /** Grants to somebody who had waited in line. */
  readonly handOvers: number
  readonly longestWaitMs: number
  /** Leases that ran out because their holder was dead. */
  readonly expired: number
  /** The event log was cut before it was read: the figures are too low. */
  readonly isIncomplete: boolean
}

/** Draws its figures, and who stands in line, from the events of every process. */
export class Ledger {
  /** Agent to the resources that it waits for, in the order in which they joined. */
  readonly #waiting = new Map<string, ReadonlySet<string>>()
  #figures: Figures = { grants: 0, handOvers: 0, longestWaitMs: 0, expired: 0, isIncomplete: false }

  get figures(): Figures {
    return this.#figures
  }

  lineFor(resourceId: string): readonly string[] {
    return [...this.#waiting].filter(([, resources]) => resources.has(resourceId)).map(([agentId]) => agentId)
  }

  /** Everybody who waits for anything. */
  get waiters(): number {
    return this.#waiting.size
  }

  take(event: LockEvent | GapEvent): void {
    if (event.type === 'gap') {
      this.#figures = { ...this.#figures, isIncomplete: true }
      return
    }
    if (event.type === 'resource.waiting') {
      this.#waiting.set(event.agentId, new Set(event.resources.map(({ resourceId }) => resourceId)))
      return
    }
    // An agent does one thing at a time: whatever else it is told ends its wait.
    const hadWaited = this.#waiting.delete(event.agentId)
    if (event.type === 'resource.locked') this.#grant(hadWaited, event.waitedMs ?? 0)
    if (event.type === 'resource.expired') this.#figures = { ...this.#figures, expired: this.#figures.expired + 1 }
  }

  #grant(hadWaited: boolean, waitedMs: number): void {
    const { grants, handOvers, longestWaitMs } = this.#figures
    this.#figures = {
      ...this.#figures,
      grants: grants + 1,
      handOvers: handOvers + (hadWaited ? 1 : 0),
      longestWaitMs: Math.max(longestWaitMs, waitedMs),
    }
  }
}

/** The rule that was broken, and how. */
export interface Violation {
  readonly invariant: Invariant
  readonly detail: string
  readonly at: number
}

/** What must be true, whatever goes wrong around it. */
export const INVARIANTS = {
  exclusion: 'no two live leases conflict',
  belief: 'a handle that believes that it is held is the holder in the store',
  told: 'a holder whose lease was ended is told with its next contact',
  again: 'a handle is lost whose grant the store has forgotten, also if its request was granted again',
  shortened: 'a handle does not outlive its lease where the store has forgotten an extension',
  fifo: 'nobody is granted before an earlier live waiter that conflicts',
  dead: 'no waiter is granted whose time is up or whose session is dead',
  idle: 'a waiter with nobody in its way is granted in the same step',
  expiry: 'no lease outlives its expiry, nor is it ended before without a cause',
  extension: 'an expiry never moves back, nor beyond what was asked for, nor for somebody else',
  token: 'fencing tokens rise',
  log: 'each lease begins once and ends once in the log, and the log agrees with the rows',
  fresh: 'a session is told that it is fresh exactly when the store has forgotten something of it',
  outbox: 'messages are numbered without gaps and none is dropped before it is acknowledged',
  deadlock: 'who is refused for a deadlock waits for itself, and nobody who does so is left in line',
  served: 'every call comes to its end once the faults have stopped',
  lost: 'no grant is lost: whoever holds in the store knows of it, or gives it back',
  left: 'nothing is left behind by managers that were closed',
  counters: 'the metrics and the events of a process balance',
  code: 'calls fail with the documented codes only',
  watch: 'a watcher sees the log without gaps that it is not told of',
  crash: 'nothing throws where nobody catches it',
} as const

export type Invariant = keyof typeof INVARIANTS

/** Keeps the first violation: what comes after it may be its consequence. */
export class Verdict {
  violation: Violation | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  fail(invariant: Invariant, detail: string): void {
    this.violation ??= { invariant, detail, at: this.#now() }
  }
}

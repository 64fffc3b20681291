/** A timer that has been set. */
export interface Timer {
  cancel(): void
  /** Whether the timer alone keeps the process alive; at first it does not. */
  keepAlive(keep: boolean): void
}

/** Where sessions and leases take their time from. Exchangeable, so that they can be simulated. */
export interface Clock {
  /** Milliseconds since some moment; never goes back, may stand still while the machine sleeps. */
  monotonicMs(): number
  /** Milliseconds since 1970; may jump. */
  wallMs(): number
  /** Runs `callback` once, after so many milliseconds; earlier where that is longer than a timer can run. */
  after(ms: number, callback: () => void): Timer
}

/** The longest that a Node timer can run: one that is set for longer would fire at once. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1

/** This process's own clocks and timers. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, callback) {
    const timeout = setTimeout(callback, Math.min(Math.max(0, ms), LONGEST_TIMER_MS)).unref()
    return {
      cancel: () => clearTimeout(timeout),
      keepAlive: (keep) => void (keep ? timeout.ref() : timeout.unref()),
    }
  },
}

/**
 * Measures what has passed since it was made, by whichever of the two clocks says more: a laptop that slept must find
 * its lease lost, and a wall clock that was set back must not make one last longer. A false loss is safe, a false hold
 * is not.
 */
export class Stopwatch {
  readonly #clock: Clock
  readonly #monotonicMs: number
  readonly #wallMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#monotonicMs = clock.monotonicMs()
    this.#wallMs = clock.wallMs()
  }

  elapsedMs(): number {
    return Math.max(this.#clock.monotonicMs() - this.#monotonicMs, this.#clock.wallMs() - this.#wallMs)
  }
}

/** The moment at which a client must take its lease for over: before the store does. */
export class Deadline {
  readonly #since: Stopwatch
  readonly #lengthMs: number

  /**
   * @param since when the request was sent that gave or prolonged the lease
   * @param leaseMs how long the lease lasts at the store from then on, or longer
   */
  constructor(since: Stopwatch, leaseMs: number) {
    this.#since = since
    this.#lengthMs = leaseMs === Infinity ? Infinity : leaseMs - Math.max(50, leaseMs / 100)
  }

  /** Milliseconds that are left; 0 or less once it has passed. */
  remainingMs(): number {
    return this.#lengthMs - this.#since.elapsedMs()
  }
}

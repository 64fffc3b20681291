import type { Clock, Timer } from '../../src/core/time/clock.ts'
import type { Scheduled, Timeline } from './timeline.ts'

/** How a process stands still: it is stopped (its clocks go on), or the machine sleeps (the monotonic one does not). */
export type PauseKind = 'stop' | 'sleep'

/** What a process waits for: a timer of its own, or something from outside. */
interface Due {
  readonly dueMs: number | undefined
  readonly run: () => void
}

/**
 * The process in which a client runs, with clocks of its own. While it stands still nothing runs; then all that came
 * due meanwhile runs, late. Once it has crashed nothing of it runs any more.
 */
export class ClientProcess implements Clock {
  isAlive = true
  isPaused = false
  readonly #timeline: Timeline
  readonly #rate: number
  readonly #timers = new Set<Scheduled>()
  #backlog: Due[] = []
  #markedAt: number
  #markedMs = 5_000
  #runs = true
  #wallOffsetMs: number

  /** @param rate how fast its clocks go, compared with the store's */
  constructor(timeline: Timeline, rate: number, wallOffsetMs: number) {
    this.#timeline = timeline
    this.#rate = rate
    this.#markedAt = timeline.now
    this.#wallOffsetMs = wallOffsetMs
  }

  monotonicMs(): number {
    return this.#runs ? this.#markedMs + (this.#timeline.now - this.#markedAt) * this.#rate : this.#markedMs
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#timeline.now * this.#rate
  }

  after(ms: number, callback: () => void): Timer {
    // As Node does: whole milliseconds, and at least one.
    const dueMs = this.monotonicMs() + Math.max(1, Math.trunc(ms))
    const state: { scheduled: Scheduled | undefined; cancelled: boolean } = { scheduled: undefined, cancelled: false }
    const timer: Scheduled = {
      cancel: () => {
        state.cancelled = true
        state.scheduled?.cancel()
        this.#timers.delete(timer)
      },
    }
    const run = (): void => {
      if (state.cancelled) return
      if (this.monotonicMs() < dueMs - 0.001) return wait()
      this.#timers.delete(timer)
      callback()
    }
    const wait = (): void => {
      const leftMs = Math.max(0, dueMs - this.monotonicMs()) / this.#rate
      state.scheduled = this.#timeline.in(leftMs, () => this.#do({ dueMs, run }))
    }
    this.#timers.add(timer)
    wait()
    return { cancel: () => timer.cancel(), keepAlive: () => {} }
  }

  /** Something from outside reaches the process. */
  reach(run: () => void): void {
    this.#do({ dueMs: undefined, run })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  pause(kind: PauseKind): void {
    if (!this.isAlive || this.isPaused) return
    this.isPaused = true
    if (kind === 'sleep') {
      this.#mark()
      this.#runs = false
    }
  }

  /** @param timersFirst whether the timers run before what came from outside, or after */
  resume(timersFirst: boolean): void {
    if (!this.isAlive || !this.isPaused) return
    this.isPaused = false
    this.#mark()
    this.#runs = true
    const backlog = this.#backlog
    this.#backlog = []
    const timers = backlog
      .filter(({ dueMs }) => dueMs !== undefined)
      .toSorted((a, b) => (a.dueMs ?? 0) - (b.dueMs ?? 0))
    const others = backlog.filter(({ dueMs }) => dueMs === undefined)
    for (const due of timersFirst ? [...timers, ...others] : [...others, ...timers]) {
      this.#timeline.in(0, () => this.#do(due))
    }
  }

  stepWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  crash(): void {
    this.isAlive = false
    this.#backlog = []
    for (const timer of this.#timers) timer.cancel()
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  #do(due: Due): void {
    if (!this.isAlive) return
    if (this.isPaused) this.#backlog.push(due)
    else due.run()
  }

  #mark(): void {
    this.#markedMs = this.monotonicMs()
    this.#markedAt = this.#timeline.now
  }
}

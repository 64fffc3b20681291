import type { Clock, Timer } from '../../src/core/time/clock.ts'

interface Alarm {
  readonly at: number
  readonly order: number
  readonly callback: () => void
  keepsAlive: boolean
}

/** A clock that stands still until it is told to go on; then it runs the timers in their order. */
export class SimulatedClock implements Clock {
  #nowMs = 1_000
  /** What the wall clock shows beyond what has passed. */
  #wallOffsetMs = 1_700_000_000_000
  #order = 0
  readonly #alarms = new Set<Alarm>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs
  }

  after(ms: number, callback: () => void): Timer {
    const alarm: Alarm = { at: this.#nowMs + Math.max(0, ms), order: (this.#order += 1), callback, keepsAlive: false }
    this.#alarms.add(alarm)
    return {
      cancel: () => void this.#alarms.delete(alarm),
      keepAlive: (keep) => {
        alarm.keepsAlive = keep
      },
    }
  }

  /** Sets the wall clock, and nothing else. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** The time passes and nobody's timer runs: the process stood still. */
  freeze(ms: number): void {
    this.#nowMs += ms
  }

  /** Lets time pass, with all that it sets off. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms
    await settled()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#alarms.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.at)
      next.callback()
      await settled()
    }
    this.#nowMs = Math.max(this.#nowMs, end)
    await settled()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#alarms.size
  }

  /** How many of them keep the process alive. */
  get keepingAlive(): number {
    return [...this.#alarms].filter((alarm) => alarm.keepsAlive).length
  }

  #next(end: number): Alarm | undefined {
    let next: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.at > end) continue
      if (next === undefined || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order)) next = alarm
    }
    return next
  }
}

/** Everything that is ready to happen has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

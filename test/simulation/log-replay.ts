import type { LoggedEvent } from '../../src/core/store.ts'
import type { Entry } from './rows.ts'

/** The event log played from its start: which leases and which waiters it says there are. */
export class LogReplay {
  readonly #held = new Set<number>()
  readonly #ended = new Set<number>()
  /** By the request's reason, which names its call. */
  readonly #waiting = new Map<string, number>()

  /**
   * Returns what is wrong with the event, if anything.
   *
   * @param waited whether the lease with this fencing token was granted to a request in line: a call that has asked
   *   again may still have an earlier, dead place there
   */
  add(event: LoggedEvent, waited: (fence: number) => boolean): string | undefined {
    const { type, fence, waitedMs } = event
    switch (type) {
      case 'resource.waiting':
        this.#waiting.set(nameOf(event), (this.#waiting.get(nameOf(event)) ?? 0) + 1)
        return undefined
      case 'resource.locked':
        if (fence !== null && waited(fence) && !this.#leaveLine(event)) return `${fence} was locked from no line`
        if (fence === null || this.#held.has(fence) || this.#ended.has(fence)) return `${fence} was locked twice`
        this.#held.add(fence)
        return undefined
      case 'resource.unlocked':
      case 'resource.expired':
        if (fence === null || !this.#held.delete(fence)) return `${fence} ended, and was not locked (${type})`
        this.#ended.add(fence)
        return undefined
      case 'resource.extended':
        return fence !== null && this.#held.has(fence) ? undefined : `${fence} was extended, and is not locked`
      case 'resource.abandoned':
        return this.#leaveLine(event) ? undefined : `${nameOf(event)} left a line in which it was not`
      case 'resource.deadlock':
        return waitedMs === null || this.#leaveLine(event) ? undefined : `${nameOf(event)} was in no line`
    }
  }

  /** Returns where the log and the rows disagree, if they do. */
  compare(entries: Iterable<Entry>): string | undefined {
    let held = 0
    const waiting = new Map<string, number>()
    for (const { row } of entries) {
      if (row.lease === null) waiting.set(nameOf(row), (waiting.get(nameOf(row)) ?? 0) + 1)
      else {
        held += 1
        if (!this.#held.has(row.lease.fence)) return `${row.lease.fence} is held, and the log does not say so`
      }
    }
    if (held !== this.#held.size) return `the log says that ${this.#held.size} are held, there are ${held}`
    for (const name of new Set([...waiting.keys(), ...this.#waiting.keys()])) {
      const [said, found] = [this.#waiting.get(name) ?? 0, waiting.get(name) ?? 0]
      if (said !== found) return `the log says that ${name} waits ${said} times, it does so ${found} times`
    }
    return undefined
  }

  #leaveLine(event: LoggedEvent): boolean {
    const name = nameOf(event)
    const count = this.#waiting.get(name) ?? 0
    if (count === 0) return false
    if (count === 1) this.#waiting.delete(name)
    else this.#waiting.set(name, count - 1)
    return true
  }
}

function nameOf({ reason, agentId }: { readonly reason: string | null; readonly agentId: string }): string {
  return reason ?? agentId
}

/** Something that is going to happen. */
export interface Scheduled {
  cancel(): void
}

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

/**
 * The one true time of a simulation, in milliseconds, and all that is going to happen in it. One thing happens at a
 * time, in order of time and then of planning, and all that it sets off has happened before the next.
 */
export class Timeline {
  now = 0
  /** How many things have happened. */
  happened = 0
  #order = 0
  readonly #heap: Entry[] = []
  #outside: Promise<void>[] = []

  /** Time stands still until this has ended: work of the real machine that promises alone do not do. */
  hold(work: Promise<void>): void {
    this.#outside.push(work)
  }

  at(time: number, run: () => void): Scheduled {
    const entry: Entry = { at: Math.max(time, this.now), order: (this.#order += 1), run, cancelled: false }
    this.#push(entry)
    return {
      cancel: () => {
        entry.cancelled = true
      },
    }
  }

  in(ms: number, run: () => void): Scheduled {
    return this.at(this.now + ms, run)
  }

  /** Lets one thing after the other happen until `isOver` says so, or until `end`. */
  async play(end: number, isOver: () => boolean): Promise<void> {
    await this.#awaitOutside()
    while (!isOver()) {
      const next = this.#heap[0]
      if (next === undefined || next.at > end) {
        this.now = end
        break
      }
      this.#pop()
      if (next.cancelled) continue
      this.now = next.at
      this.happened += 1
      next.run()
      await settled()
      if (this.#outside.length > 0) await this.#awaitOutside()
    }
  }

  async #awaitOutside(): Promise<void> {
    await Promise.all(this.#outside.splice(0))
    await settled()
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >>> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const [left, right] = [heap[child], heap[child + 1]]
      let below = left
      if (left !== undefined && right !== undefined && isBefore(right, left)) {
        child += 1
        below = right
      }
      if (below === undefined || !isBefore(below, last)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** All that was ready to happen has happened: promises are through before the next turn of the event loop. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

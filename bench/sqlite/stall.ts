/** Watches how long the event loop of this process does not get round to a timer of a millisecond. */
export class StallWatch {
  #last = performance.now()
  #longestMs = 0
  readonly #timer = setInterval(() => this.#tick(), 1)

  /** @returns the longest stall, in milliseconds */
  stop(): number {
    clearInterval(this.#timer)
    this.#tick()
    return this.#longestMs
  }

  #tick(): void {
    const now = performance.now()
    this.#longestMs = Math.max(this.#longestMs, now - this.#last - 1)
    this.#last = now
  }
}

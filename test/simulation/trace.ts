/** What happened in a simulation, in order: a fingerprint of all of it, and the last lines. */
export class Trace {
  readonly #kept: string[] = []
  readonly #keep: number
  #hash = 0x811c9dc5
  #lines = 0

  readonly #now: () => number

  /** @param keep how many lines are kept, the last ones */
  constructor(now: () => number, keep: number) {
    this.#now = now
    this.#keep = keep
  }

  note(line: string): void {
    const at = this.#now()
    this.#lines += 1
    this.#mix(Math.round(at * 1000))
    for (let index = 0; index < line.length; index += 1) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(index), 0x01000193)
    }
    if (this.#keep === 0) return
    this.#kept.push(`${at.toFixed(1).padStart(9)}  ${line}`)
    if (this.#kept.length > this.#keep * 2) this.#kept.splice(0, this.#kept.length - this.#keep)
  }

  get hash(): string {
    return `${(this.#hash >>> 0).toString(16).padStart(8, '0')}-${this.#lines}`
  }

  get lines(): readonly string[] {
    return this.#kept.slice(-this.#keep)
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193)
  }
}

import type { Message } from '../store.ts'

/** The messages of a session, as far as they have arrived without a gap. */
export class Inbox {
  #last = 0
  #unacknowledged: Message[] = []

  /** The number of the last one. */
  get last(): number {
    return this.#last
  }

  /** Those which no answered batch has acknowledged, oldest first. */
  get unacknowledged(): readonly Message[] {
    return [...this.#unacknowledged]
  }

  add(message: Message): void {
    this.#last = message.number
    this.#unacknowledged.push(message)
  }

  /** A batch was answered that acknowledged all up to this number. */
  acknowledge(number: number): void {
    if (this.#unacknowledged.length > 0)
      this.#unacknowledged = this.#unacknowledged.filter((message) => message.number > number)
  }

  /** What was not acknowledged comes again, and maybe under other numbers. */
  startOver(): void {
    this.#last = 0
    this.#unacknowledged = []
  }
}

import type { Answer, Batch, Message } from '../store.ts'

/** What a session has been told by the store, as far as every batch says of it: by that a store finds out that it went back. */
export class Knowledge {
  #last = 0
  #unacknowledged: Message[] = []
  #floor = 0
  #lastId = 0

  /** The number of the last message that arrived with none missing before it. */
  get last(): number {
    return this.#last
  }

  get header(): Pick<Batch, 'acked' | 'received' | 'floor' | 'lastId'> {
    return { acked: this.#last, received: [...this.#unacknowledged], floor: this.#floor, lastId: this.#lastId }
  }

  /** A batch was answered. What was given to this session is given to nobody again, even by a store that goes back. */
  note({ outcomes }: Answer): void {
    for (const outcome of outcomes ?? []) {
      if ('id' in outcome) this.#lastId = Math.max(this.#lastId, outcome.id)
      if ('fence' in outcome) this.#floor = Math.max(this.#floor, outcome.fence)
    }
  }

  /** A message has arrived, and none is missing before it. */
  add(message: Message): void {
    this.#last = message.number
    this.#unacknowledged.push(message)
    if (message.type === 'granted') this.#floor = Math.max(this.#floor, message.fence)
  }

  /** The store has heard that the messages up to this number have arrived. */
  acknowledge(number: number): void {
    if (this.#unacknowledged.length > 0)
      this.#unacknowledged = this.#unacknowledged.filter((message) => message.number > number)
  }

  /** What the store takes for unacknowledged comes again, and maybe under other numbers. */
  startOver(): void {
    this.#last = 0
    this.#unacknowledged = []
  }

  /** The store has lost its data, and counts its requests from 1 again. */
  startAnew(): void {
    this.startOver()
    this.#lastId = 0
  }
}

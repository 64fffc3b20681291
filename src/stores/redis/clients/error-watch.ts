/** Of a client, what is used to hear of its errors. */
interface Emitter {
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** Remembers what went wrong with a client last; an error that nobody listens to would end the process. */
export class ErrorWatch {
  readonly #client: Emitter
  readonly #events: readonly string[]
  last: unknown
  readonly note = (error: unknown): void => {
    this.last = error
  }

  /** @param events what the client tells its errors with */
  constructor(client: Emitter, ...events: readonly string[]) {
    this.#client = client
    this.#events = events
    for (const event of events) client.on(event, this.note)
  }

  close(): void {
    for (const event of this.#events) this.#client.off(event, this.note)
  }
}

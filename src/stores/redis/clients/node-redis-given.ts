import { ErrorWatch } from './error-watch.ts'

/** What is used alike of a client and of a Cluster client of node-redis 5 or 6 (the package `redis`). */
export interface AnyNodeRedis {
  readonly isOpen: boolean
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** A client of node-redis is always a user's, who connects and closes it. */
export abstract class GivenNodeRedis<Given extends AnyNodeRedis> {
  protected readonly client: Given
  readonly #errors: ErrorWatch

  /** @param errorEvents what the client tells its errors with */
  protected constructor(client: Given, ...errorEvents: readonly string[]) {
    this.client = client
    this.#errors = new ErrorWatch(client, ...errorEvents)
  }

  async connect(): Promise<void> {
    // Its user connects it.
  }

  hasEnded(): boolean {
    return !this.client.isOpen
  }

  lastError(): unknown {
    return this.#errors.last
  }

  renew(): void {
    // Its user decides about its connections.
  }

  async close(): Promise<void> {
    this.#errors.close()
  }
}

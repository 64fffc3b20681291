import { ErrorWatch } from './error-watch.ts'

/** What is used alike of a `Redis` and of a `Cluster` of ioredis 5 or 6, or of iovalkey. */
export interface AnyIoredis {
  readonly status: string
  connect(): Promise<unknown>
  call(command: string, ...args: string[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** Whether a client of ioredis can be used, the same for one server and for a Cluster. */
export abstract class IoredisState<Given extends AnyIoredis, Own extends Given> {
  protected readonly client: Given
  /** The same client, if it was made here and is to be closed. */
  protected readonly own: Own | undefined
  protected readonly errors: ErrorWatch

  /** @param errorEvents what the client tells its errors with */
  protected constructor(client: Given, own: Own | undefined, ...errorEvents: readonly string[]) {
    this.client = client
    this.own = own
    this.errors = new ErrorWatch(client, ...errorEvents)
  }

  async connect(): Promise<void> {
    await this.own?.connect()
  }

  isReady(): boolean {
    if (this.client.status === 'wait') this.client.connect().catch(this.errors.note)
    return this.client.status === 'ready'
  }

  hasEnded(): boolean {
    return this.client.status === 'end'
  }

  lastError(): unknown {
    return this.errors.last
  }
}

import { NotExecutedError, type Subscription } from '../../core/store.ts'

/** A row of a result, by the names of its columns; each value as text, number, boolean or null. */
export type ResultRow = Readonly<Record<string, unknown>>

/** What a link tells whoever listens to a channel. Neither call may throw. */
export interface ChannelHandler {
  /** The payload of a NOTIFY. It comes in the order of the commits, and not at all while the connection is away. */
  onText(text: string): void
  /** Notifications may have been missed, or cannot be had at all: look at once. */
  onInterruption(): void
}

/** How the store reaches its server: commands over any connection of a pool, notifications over one of their own. */
export interface PostgresLink {
  /** What a person would recognise the server by, without secrets. */
  readonly name: string
  /**
   * One statement in one round trip, over whichever connection is free, as a transaction of its own. No value may be
   * an object: write JSON as text. Where the server gave up in favour of another transaction it is tried again.
   *
   * @throws ServerError if the server refused or broke off the statement, which has changed nothing
   * @throws NotExecutedError if it never reached the server
   * @throws StoreUnavailableError if it may or may not have been executed
   */
  query(text: string, values: readonly (string | number | boolean | null)[]): Promise<readonly ResultRow[]>
  /** Resolves once what is notified on the channel from now on is delivered. At most 63 bytes. */
  listen(channel: string, handler: ChannelHandler): Promise<Subscription>
  /** Ends what this link has opened. A client that the user gave stays open. */
  close(): Promise<void>
}

/** The server answered with an error, so the statement was rolled back. */
export class ServerError extends NotExecutedError {
  /** The five characters by which Postgres tells errors apart; a function of the store raises its own. */
  readonly sqlState: string

  constructor(message: string, sqlState: string, cause: unknown) {
    super(message, { cause })
    this.sqlState = sqlState
  }
}

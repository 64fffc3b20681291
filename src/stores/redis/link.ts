/** The seam between the store and whichever Redis client carries its commands. */
import type { Subscription } from '../../core/store.ts'

/** What the store needs of a client, whichever library it is. */
export interface RedisLink {
  /** What a person would recognise the server by, without secrets: `redis://host:6379/0`. */
  readonly name: string
  /** Whether channels belong to slots (SPUBLISH and SSUBSCRIBE): in a Cluster. */
  readonly sharded: boolean
  /**
   * Sends one command. Numbers come back as numbers, bulk strings as strings, nil as null.
   *
   * @param key tells a Cluster where to
   * @throws NotExecutedError where it is certain that the server executed nothing: the command was never sent, or
   *   refused before it began (NOSCRIPT, NOPERM, OOM, READONLY, MISCONF, LOADING, CLUSTERDOWN, MASTERDOWN …).
   *   StoreUnavailableError where that is open: the connection was lost, or no answer came in time. Either has the
   *   server's own error, with its text, in `cause`.
   */
  call(key: string, command: string, args: readonly string[]): Promise<unknown>
  /** Delivers what is published on the channel; resolves once that is certain. `key` as in {@link call}. */
  subscribe(key: string, channel: string, handler: ChannelHandler): Promise<Subscription>
  /** Closes what was opened here; a client that a user brought stays open. */
  close(): Promise<void>
}

/** Neither call may throw. */
export interface ChannelHandler {
  onText(text: string): void
  /** Messages may have been missed: the subscriber connection was lost and is there again. */
  onInterruption(): void
}

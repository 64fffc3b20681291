import type { ResultRow } from '../link.ts'

/** What a statement may be given. */
export type Value = string | number | boolean | null

/** Runs SQL inside a transaction: one statement or several, without values. Gives the rows of a single one. */
export type Run = (text: string) => Promise<readonly ResultRow[]>

/** A connection that is there for notifications alone. */
export interface NotificationConnection {
  /** Resolves once what is notified on the channel from now on arrives. */
  listen(channel: string): Promise<void>
  /** Resolves, in any case, when nothing of the channel is to come any more. */
  unlisten(channel: string): Promise<void>
  /** Ends it at once. Nothing is told afterwards. */
  end(): void
}

/** What a {@link NotificationConnection} tells. */
export interface NotificationEvents {
  onNotification(channel: string, payload: string): void
  /** The connection is gone, and with it what it listened to. */
  onEnd(): void
  /** The connection was gone and is back, and listens to the channel again. */
  onGap(channel: string): void
}

/** One of the client libraries, as the store needs it. Errors are those of {@link PostgresLink}. */
export interface PostgresClient {
  /** Host, port and database, without secrets. */
  readonly name: string
  /** Without values or with them; one round trip, on any connection. */
  query(text: string, values: readonly Value[]): Promise<readonly ResultRow[]>
  /** A READ COMMITTED transaction; rolled back if the work rejects. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T>
  /** Whether a connection that was cut comes back by itself; else the listener opens another. */
  readonly heals: boolean
  /** Opens a connection for notifications; `undefined` where the client has no way to. */
  openNotifications: ((events: NotificationEvents) => Promise<NotificationConnection>) | undefined
  /** Ends what was opened for the store; nothing of what the user gave. */
  close(): Promise<void>
}

/** How long a statement may wait for a connection. */
export const CONNECT_MS = 4_000

/** How long a statement may take, once it has a connection. */
export const ANSWER_MS = 4_000

/** How long a statement of a transaction may take: one that changes the schema, or waits for another to do that. */
export const TRANSACTION_MS = 60_000

/** A server as a person would recognise it; a host with a slash is the folder of a Unix socket. */
export function serverName(host: string, port: number, database: string): string {
  if (host.startsWith('/')) return `postgres:///${database}?host=${host}&port=${port}`
  return `postgres://${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

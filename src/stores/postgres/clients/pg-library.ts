import type { ResultRow } from '../link.ts'

/** What a connection is asked. */
export interface Statement {
  readonly text: string
  readonly name?: string
  readonly values?: unknown[]
}

/** What it answers. */
export interface Result {
  readonly rows?: readonly ResultRow[]
}

/** A connection of `pg`, as far as it is used here. */
export interface PgClient {
  readonly host: string
  readonly port: number
  readonly database?: string | undefined
  connect(): Promise<unknown>
  query(statement: Statement): Promise<Result | readonly Result[]>
  on(event: 'error' | 'end', callback: (error: Error) => void): unknown
  on(event: 'notification', callback: (message: { channel: string; payload?: string | undefined }) => void): unknown
  removeListener(event: 'error', callback: (error: Error) => void): unknown
  end(): Promise<void>
  unref?(): void
  readonly connection?: { readonly stream?: { destroy(): unknown } }
}

/** A connection on loan from a pool. */
export interface PgLoan extends Pick<PgClient, 'query' | 'on' | 'removeListener'> {
  /** @param destroy closes the connection rather than keeping it */
  release(destroy?: boolean): void
}

/** A pool of `pg`, as far as it is used here. */
export interface PgPool {
  readonly totalCount: number
  readonly options: object
  /** Calls back in the very moment in which the pool stops hearing the connection's errors. */
  connect(callback: (error: Error | undefined, connection: PgLoan | undefined) => void): void
  on(event: 'error', callback: (error: Error) => void): unknown
  removeListener(event: 'error', callback: (error: Error) => void): unknown
  end(): Promise<void>
}

/** Whether a value is a pool of `pg`: one of its connections alone would not do. */
export function isPgPool(value: unknown): value is PgPool {
  return typeof value === 'object' && value !== null && 'connect' in value && 'totalCount' in value
}

/** A connection of its own, with the options of a pool. */
export type NewClient = (more?: object) => PgClient

/** How the pool makes its connections; `undefined` where it does not tell. */
export function clientMaker(pool: PgPool): NewClient | undefined {
  if (!('Client' in pool) || typeof pool.Client !== 'function') return undefined
  const Client = pool.Client as new (options: object) => PgClient
  // A pool hides its password from copies of its options.
  const secret = 'password' in pool.options ? { password: pool.options.password } : {}
  return (more = {}) => new Client({ ...pool.options, ...secret, ...more })
}

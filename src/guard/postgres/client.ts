import { InvalidRequestError } from '../../core/errors.ts'

/** What is needed of `pg`: a Pool, or a Client, inside of a transaction too. */
export interface PgLike {
  query(text: string, values: unknown[]): Promise<{ readonly rows: unknown[] }>
}

/** What is needed of `postgres` (postgres.js): its `sql`, or the one of a transaction. */
export interface PostgresJsLike {
  unsafe(text: string, values: never[]): PromiseLike<readonly unknown[]>
}

/** A connection, or several, that stay their owner's. */
export type PostgresClient = PgLike | PostgresJsLike

/** A row as the client gives it. */
export type Row = Readonly<Record<string, unknown>>

/** Executes one statement. */
export async function query(client: PostgresClient, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
  const isPostgresJs = 'unsafe' in client
  if (isPostgresJs) return (await client.unsafe(text, values as never[])) as readonly Row[]
  return (await client.query(text, [...values])).rows as Row[]
}

/** @throws InvalidRequestError if the value is no client that is known here */
export function checkPostgresClient(client: PostgresClient): PostgresClient {
  const isObject = (typeof client === 'object' && client !== null) || typeof client === 'function'
  if (isObject && ('unsafe' in client || 'query' in client)) return client
  throw new InvalidRequestError('This is no Postgres client: give a Pool or Client of pg, or the sql of postgres.')
}

/** A name as SQL text: of a table, `schema.table` as one of each. */
export function identifier(name: string): string {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new InvalidRequestError(`${JSON.stringify(name)} is not a name in SQL.`)
  }
  return `"${name.replaceAll('"', '""')}"`
}

import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'
import { withoutCredentials } from '../../core/store-url.ts'
import { CONNECT_MS, type PostgresClient } from './clients/client.ts'
import { isPgPool, type PgPool } from './clients/pg-library.ts'
import { PgPoolClient } from './clients/pg.ts'
import { isPostgresJs, type PostgresJs, PostgresJsClient } from './clients/postgres-js.ts'

/** A URL, a pool of `pg`, or what the function of `postgres` gives. */
export type PostgresWhere = string | PgPool | PostgresJs

/** What a URL says besides where the server is. */
export interface UrlSettings {
  /** For `pg`, without what follows. */
  readonly url: string
  readonly schema?: string
  readonly listen?: false
}

/**
 * Takes out of a URL what is for the store: `schema=NAME` and `listen=false`.
 *
 * @throws InvalidRequestError if it is not the URL of a Postgres
 */
export function readUrl(text: string, of: string): UrlSettings {
  if (!/^postgres(?:ql)?:/u.test(text)) {
    throw new InvalidRequestError(`${of}: ${show(withoutCredentials(text))} is not a URL with postgres:// in front.`)
  }
  const [address = '', query = ''] = text.split(/\?(.*)/su)
  const words = query.split('&').filter((word) => word !== '')
  const schema = words.findLast((word) => word.startsWith('schema='))?.slice('schema='.length)
  const listens = !words.includes('listen=false')
  const rest = words.filter((word) => !word.startsWith('schema=') && !/^listen=(?:true|false)$/u.test(word))
  const url = rest.length === 0 ? address : `${address}?${rest.join('&')}`
  return {
    url,
    ...(schema === undefined ? {} : { schema: decodeURIComponent(schema) }),
    ...(listens ? {} : { listen: false }),
  }
}

/** @throws InvalidRequestError if the value is none of those that it may be */
export function checkWhere(where: unknown): asserts where is PostgresWhere {
  if (typeof where === 'string' || isPgPool(where) || isPostgresJs(where)) return
  throw new InvalidRequestError(
    `postgresStore: ${show(where)} is neither a URL, nor a Pool of 'pg', nor what the function of 'postgres' gives.`,
  )
}

/**
 * Makes the client for a URL, or takes the user's.
 *
 * @param poolSize the most connections of a pool that is made for a URL
 * @throws InvalidRequestError where `pg` is missing, or does not understand the URL
 */
export async function connect(where: PostgresWhere, poolSize: number): Promise<PostgresClient> {
  if (isPgPool(where)) return new PgPoolClient(where, false)
  if (isPostgresJs(where)) return new PostgresJsClient(where)
  const Pool = await importPool()
  const options = {
    connectionString: where,
    max: poolSize,
    // A process with nothing else to do may end, also with its store open.
    allowExitOnIdle: true,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    fallback_application_name: 'holdfast',
  }
  return new PgPoolClient(new Pool(options), true)
}

async function importPool(): Promise<new (options: object) => PgPool> {
  try {
    return (await import('pg')).default.Pool
  } catch (cause) {
    throw new InvalidRequestError(
      "A store with a postgres:// URL needs the package 'pg': npm install pg. With the package 'postgres', give its client instead of a URL.",
      { cause },
    )
  }
}

import { InvalidRequestError } from '../../core/errors.ts'
import { checkCount, checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { DEFAULT_LIMITS, type LockStore, type StoreDriver, type StoreLimits } from '../../core/store.ts'
import { systemClock } from '../../core/time/clock.ts'
import { patiently } from '../../core/time/patience.ts'
import { checkWhere, connect, type PostgresWhere, readUrl } from './connect.ts'
import { Connection } from './connection.ts'
import { ensureSchema, grantsSql, type Installation, installationSql } from './migrations.ts'
import { PostgresStore } from './store.ts'

export type { PgPool } from './clients/pg-library.ts'
export type { PostgresJs } from './clients/postgres-js.ts'

/** When a commit counts as done; what Postgres calls `synchronous_commit`. */
export type SynchronousCommit = 'on' | 'off' | 'local' | 'remote_write' | 'remote_apply'

const SYNCHRONOUS_COMMITS: readonly SynchronousCommit[] = ['on', 'off', 'local', 'remote_write', 'remote_apply']

export interface PostgresStoreOptions {
  /** The schema that holds tables and functions, and nothing else. Default: that of the URL (`?schema=`), or `holdfast`. */
  readonly schema?: string
  /** How much is remembered; see {@link StoreLimits} for the defaults. */
  readonly limits?: Partial<StoreLimits>
  /** When a step counts as done. Default: as the server is set for this user, which is `on` unless somebody changed it. */
  readonly synchronousCommit?: SynchronousCommit
  /** The most connections for commands, where a URL is given. Default 10. */
  readonly pool?: number
  /**
   * How notifications come. `true`: over a connection of their own, with the settings of the others. A URL: over a
   * connection that leads around a pooler in transaction mode. `false`: not at all, and who waits looks once a second.
   * Default true, or what the URL says (`?listen=false`).
   */
  readonly listen?: boolean | string
  /** Whether the schema is installed and brought up to date at first use. Default true. */
  readonly migrate?: boolean
}

const OPTIONS: readonly (keyof PostgresStoreOptions)[] = [
  'schema',
  'limits',
  'synchronousCommit',
  'pool',
  'listen',
  'migrate',
]

/** What somebody who may create the schema does, for those who may not. */
export interface PostgresMigration {
  /** The name of the schema that is installed. */
  readonly schema: string
  /**
   * The SQL that installs the schema where there is none.
   *
   * @param role what lets this role of the database use the store, and nothing else, is in it too. Default: nobody
   */
  sql(role?: string): string
  /**
   * Installs the schema, or brings it up to date.
   *
   * @param role who is allowed to use it afterwards. Default: only whoever installed it
   * @throws StoreUnavailableError if that cannot be done
   */
  run(role?: string): Promise<Installation>
}

export interface PostgresDriver extends StoreDriver {
  readonly migration: PostgresMigration
}

/**
 * Locks in a schema of a Postgres database. All namespaces share its tables.
 *
 * @param where a URL (for which `pg` must be installed), a `Pool` of `pg`, or what the function of `postgres` gives.
 *   What was given stays open when the store is closed.
 * @throws InvalidRequestError for an option that makes no sense. `open` rejects with StoreUnavailableError where the
 *   database cannot be used.
 */
export function postgresStore(where: PostgresWhere, options: PostgresStoreOptions = {}): PostgresDriver {
  checkWhere(where)
  checkOptions(options, OPTIONS, 'postgresStore')
  const settings = settingsOf(where, options)
  const shared = new SharedConnection(settings)
  const { schema, synchronousCommit } = settings
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  return {
    async open(namespace, signal): Promise<LockStore> {
      signal?.throwIfAborted()
      const { connection, leave } = await shared.join()
      const link = connection.link(leave)
      try {
        await patiently(connection.ready(), { clock: systemClock, signal })
        return new PostgresStore({ link, namespace, schema, limits, synchronousCommit })
      } catch (error) {
        // Not awaited: a server that does not answer would keep whoever has given up opening.
        link.close().catch(() => undefined)
        throw error
      }
    },
    migration: {
      schema,
      sql: (role) => `${installationSql(schema)}${role === undefined ? '' : grantsSql(schema, role)}`,
      run: (role) => install(settings, role),
    },
  }
}

async function install({ where, schema }: Settings, role: string | undefined): Promise<Installation> {
  const client = await connect(where, 1)
  try {
    const installation = await ensureSchema(client, schema, true)
    if (role !== undefined) await client.query(grantsSql(schema, role), [])
    return installation
  } finally {
    await client.close()
  }
}

interface Settings {
  readonly where: PostgresWhere
  readonly schema: string
  readonly synchronousCommit: SynchronousCommit | undefined
  readonly pool: number
  readonly listen: boolean | string
  readonly migrate: boolean
}

function settingsOf(where: PostgresWhere, options: PostgresStoreOptions): Settings {
  const url = typeof where === 'string' ? readUrl(where, 'postgresStore') : undefined
  const { synchronousCommit, migrate = true } = options
  const { schema = url?.schema ?? 'holdfast', listen = url?.listen ?? true } = options
  if (synchronousCommit !== undefined && !SYNCHRONOUS_COMMITS.includes(synchronousCommit)) {
    const known = SYNCHRONOUS_COMMITS.join(', ')
    throw new InvalidRequestError(`synchronousCommit: ${show(synchronousCommit)} is not allowed: use one of ${known}.`)
  }
  if (typeof migrate !== 'boolean') {
    throw new InvalidRequestError(`migrate: ${show(migrate)} is not allowed: use true or false.`)
  }
  return {
    where: url?.url ?? where,
    schema: checkSchema(schema),
    synchronousCommit,
    pool: checkCount(options.pool ?? 10, 'pool'),
    listen: checkListen(listen),
    migrate,
  }
}

/** Postgres would cut longer names off without a word, and keeps names that begin with `pg_` for itself. */
function checkSchema(schema: unknown): string {
  if (typeof schema === 'string' && /^(?!pg_)[a-z_][a-z0-9_]{0,40}$/u.test(schema)) return schema
  throw new InvalidRequestError(
    `schema: ${show(schema)} is not allowed: use at most 41 small letters, digits and underscores, not with a digit or pg_ in front.`,
  )
}

function checkListen(listen: unknown): boolean | string {
  if (typeof listen === 'boolean') return listen
  if (typeof listen === 'string') return readUrl(listen, 'listen').url
  throw new InvalidRequestError(`listen: ${show(listen)} is not allowed: use true, false or a URL.`)
}

/** Opened with the first namespace, and closed with the last. */
class SharedConnection {
  readonly #settings: Settings
  #connecting: Promise<Connection> | undefined
  #users = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  async join(): Promise<{ connection: Connection; leave: () => Promise<void> }> {
    this.#users += 1
    const connecting = (this.#connecting ??= this.#connect())
    const leave = async (): Promise<void> => {
      this.#users -= 1
      if (this.#users > 0) return
      // The next to join opens another.
      this.#connecting = undefined
      await (await connecting).close()
    }
    try {
      return { connection: await connecting, leave }
    } catch (error) {
      this.#users -= 1
      if (this.#connecting === connecting) this.#connecting = undefined
      throw error
    }
  }

  async #connect(): Promise<Connection> {
    const { where, pool, schema, listen, migrate } = this.#settings
    const client = await connect(where, pool)
    const notifier = typeof listen === 'string' ? await connect(listen, 1) : client
    return new Connection({ client, notifier: listen === false ? undefined : notifier, schema, migrate })
  }
}

import { InvalidRequestError } from './core/errors.ts'
import { LockManager, type ManagerOptions } from './core/manager.ts'
import { show } from './core/show.ts'
import { withoutCredentials } from './core/store-url.ts'
import type { StoreDriver } from './core/store.ts'
import type { PostgresMigration } from './stores/postgres/index.ts'

/** Opens what a store URL names. Each store is loaded only when it is asked for. */
type Opener = (rest: string) => Promise<StoreDriver>

const OPENERS: Readonly<Record<string, Opener>> = {
  memory: openMemory,
  sqlite: openSqlite,
  postgres: (rest) => openPostgres(`postgres:${rest}`),
  postgresql: (rest) => openPostgres(`postgresql:${rest}`),
  redis: (rest) => openRedis(`redis:${rest}`),
  rediss: (rest) => openRedis(`rediss:${rest}`),
}

/** The one memory of this process that the URL `memory:` names. */
let memory: StoreDriver | undefined

/**
 * The store behind a URL: `memory:` (this process), `sqlite:PATH` (this machine), `sqlite:` or nothing (this machine,
 * in the default file of the repository or the user), `postgres://…` (a database), `redis://…` (a server;
 * `rediss:` with TLS).
 *
 * @throws InvalidRequestError for a URL that names no known store
 */
export async function openDriver(url: string = 'sqlite:'): Promise<StoreDriver> {
  if (typeof url !== 'string') {
    throw new InvalidRequestError(
      `store: ${show(url)} is neither a URL nor a store: use memoryStore() or sqliteStore().`,
    )
  }
  const scheme = /^([a-z]+):/u.exec(url)?.[1]
  const open = scheme === undefined ? undefined : OPENERS[scheme]
  if (open !== undefined && scheme !== undefined) return open(url.slice(scheme.length + 1))
  const known = Object.keys(OPENERS).map((name) => `${name}:`)
  throw new InvalidRequestError(
    `store: ${show(withoutCredentials(url))} is not the URL of a known store: known are ${known.join(', ')}.`,
  )
}

/**
 * What installs the tables of the store behind a URL; `undefined` where there is nothing to install.
 *
 * @throws InvalidRequestError for a URL that names no known store
 */
export async function openMigration(url?: string): Promise<PostgresMigration | undefined> {
  const driver: StoreDriver & { readonly migration?: PostgresMigration } = await openDriver(url)
  return driver.migration
}

/** Locks on named resources, in one namespace of one store. */
export class ResourceLockManager extends LockManager {
  constructor(options: ManagerOptions = {}) {
    super(options, openDriver)
  }
}

async function openMemory(rest: string): Promise<StoreDriver> {
  if (rest !== '' && rest !== '//') {
    throw new InvalidRequestError(
      `store: ${show(withoutCredentials(`memory:${rest}`))} names something after the colon: use a namespace instead.`,
    )
  }
  const { memoryStore } = await import('./stores/memory/index.ts')
  memory ??= memoryStore()
  return memory
}

async function openSqlite(rest: string): Promise<StoreDriver> {
  const { sqliteStore } = await import('./stores/sqlite/index.ts')
  if (rest === '') return sqliteStore()
  if (!rest.startsWith('//')) return sqliteStore(rest)
  // As in a file URL, the host between two and three slashes is empty.
  if (rest.startsWith('///')) return sqliteStore(rest.slice(2))
  throw new InvalidRequestError(
    `store: ${show(withoutCredentials(`sqlite:${rest}`))} names a host: write sqlite:PATH, or sqlite:///ABSOLUTE/PATH.`,
  )
}

async function openPostgres(url: string): Promise<StoreDriver> {
  const { postgresStore } = await import('./stores/postgres/index.ts')
  return postgresStore(url)
}

async function openRedis(url: string): Promise<StoreDriver> {
  const { redisStore } = await import('./stores/redis/index.ts')
  return redisStore(url)
}

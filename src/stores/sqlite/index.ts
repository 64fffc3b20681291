import { resolve } from 'node:path'
import { InvalidRequestError } from '../../core/errors.ts'
import { checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { DEFAULT_LIMITS, type StoreDriver, type StoreLimits } from '../../core/store.ts'
import type { TableStorage } from '../../core/table/storage.ts'
import { type ClockIdentity, monotonicMs, readClockIdentity } from './clock.ts'
import type { LeaseClock } from './connection.ts'
import { unavailable } from './failures.ts'
import { defaultDatabasePath, namespaceFile } from './location.ts'
import { SqliteStore } from './store.ts'

/** Where a SQLite store takes its time from. */
export interface SqliteClock {
  /** Milliseconds that never go back; what leases are measured with. The same in all processes that use the file. */
  readonly leaseMs: () => number
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
  /** Which clock that is. Default: a clock of its own, the same for all who give one. */
  readonly identity?: ClockIdentity
}

export interface SqliteStoreOptions {
  /** How much is remembered; see {@link StoreLimits} for the defaults. */
  readonly limits?: Partial<StoreLimits>
  /** Default: the machine's own clocks. */
  readonly clock?: SqliteClock
  /** Wraps the rows of each namespace, to count or to record the operations. Default: as they are. */
  readonly storage?: (storage: TableStorage) => TableStorage
}

const GIVEN_CLOCK: ClockIdentity = { boot: 'given', timeNamespace: 'given' }

/**
 * Locks among all processes of this machine, in a file and without a server. Each namespace is a file of its own, next
 * to the one of the namespace `default`.
 *
 * @param path of the database; its folder is made if need be. Default: `holdfast/locks.db` in the git repository of the
 *   working directory (in what all its working trees share), or else in the user's state folder
 * @throws InvalidRequestError for a path or an option that makes no sense. `open` rejects with StoreUnavailableError
 *   where the file cannot be used.
 */
export function sqliteStore(path?: string, options: SqliteStoreOptions = {}): StoreDriver {
  checkOptions(options, ['limits', 'clock', 'storage'], 'sqliteStore')
  if (path !== undefined && (typeof path !== 'string' || path === '' || path === ':memory:')) {
    throw new InvalidRequestError(
      `sqliteStore: ${show(path)} is not the path of a file. For locks within this process use memoryStore().`,
    )
  }
  // Now, because the working directory may be another one by the time a namespace is opened.
  const base = path === undefined ? defaultDatabasePath() : resolve(path)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const wrap = options.storage ?? ((storage) => storage)
  return {
    url: `sqlite:${base}`,
    async open(namespace, signal) {
      const file = fileOf(base, namespace)
      return SqliteStore.open({ file, clock: clockOf(options.clock, file), limits, wrap }, signal)
    },
  }
}

function fileOf(base: string, namespace: string): string {
  try {
    return namespaceFile(base, namespace)
  } catch (cause) {
    throw new InvalidRequestError(`namespace: ${show(namespace)} is not well-formed Unicode.`, { cause })
  }
}

function clockOf(given: SqliteClock | undefined, file: string): LeaseClock {
  if (given !== undefined)
    return { leaseMs: given.leaseMs, wallMs: given.wallMs, identity: given.identity ?? GIVEN_CLOCK }
  try {
    return { leaseMs: monotonicMs, wallMs: Date.now, identity: readClockIdentity() }
  } catch (error) {
    throw unavailable(error, file)
  }
}

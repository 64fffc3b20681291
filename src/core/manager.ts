import { AgentLocks } from './agent.ts'
import { type Chance, systemChance } from './chance.ts'
import { ClosedError, InvalidRequestError } from './errors.ts'
import {
  type ForceUnlockOptions,
  Inspection,
  type ListOptions,
  type StaleOptions,
  type WatchOptions,
} from './inspection/inspection.ts'
import type { Lock } from './lock/lock.ts'
import { type LockedCallback, Locking, type Resources, type TryAcquireOptions } from './lock/locking.ts'
import { type AcquireOptions, checkBoolean } from './lock/request.ts'
import type { GapEvent, LockEvent, LockInfo } from './model.ts'
import { checkNamespace } from './namespace.ts'
import { checkCount, checkOptions } from './options.ts'
import { type EventBusLike, getEventBus } from './reporting/eventbus.ts'
import { createMetrics, type MetricsRegistry, noMetrics } from './reporting/metrics.ts'
import { Observer } from './reporting/observer.ts'
import { currentActivity, detached, newActivity } from './session/activity.ts'
import { Session } from './session/session.ts'
import { show } from './show.ts'
import type { StoreDriver } from './store.ts'
import { type Clock, systemClock } from './time/clock.ts'
import { type Duration, parseDuration } from './time/duration.ts'

/** How a manager works. Every option has a default. */
export interface ManagerOptions {
  /** A store URL, or what a store factory such as `memoryStore()` gives. Default: the embedded SQLite store. */
  readonly store?: string | StoreDriver
  /** Managers share locks where store and namespace are the same. Default `'default'`. */
  readonly namespace?: string
  /** Where this process's own transitions are published. Default: {@link getEventBus}. */
  readonly eventBus?: EventBusLike
  /** A prom-client registry. Default: prom-client's own. */
  readonly registry?: MetricsRegistry
  /** Whether to measure at all; without it prom-client is not loaded. Default true. */
  readonly metrics?: boolean
  /** How many different `agent_id` labels the metrics may have; further agents count as `other`. Default 1 000. */
  readonly maxAgentLabels?: number
  /** How often a session that waits or holds shows that it lives; after three beats missed it is dead. Default, and most, `'2s'`. */
  readonly heartbeat?: Duration
}

/** What a manager takes from the machine that it runs on. Exchangeable, so that it can be simulated. */
export interface Machine {
  readonly clock: Clock
  readonly chance: Chance
}

const SYSTEM: Machine = { clock: systemClock, chance: systemChance }

// Stores rely on it that a session which lives is heard of within six seconds.
const HEARTBEAT_LIMITS = { minMs: 50, maxMs: 2_000 } as const

const OPTIONS: readonly (keyof ManagerOptions)[] = [
  'store',
  'namespace',
  'eventBus',
  'registry',
  'metrics',
  'maxAgentLabels',
  'heartbeat',
]

/**
 * Locks on named resources, in one namespace of one store. It is one session there: its locks end with it.
 *
 * Every method rejects rather than throws; what can go wrong is a `ResourceLockError` with a stable `code`.
 */
export class LockManager implements AsyncDisposable {
  readonly #options: ManagerOptions
  readonly #openStore: (url: string | undefined) => Promise<StoreDriver>
  readonly #machine: Machine
  readonly #closing = new AbortController()
  readonly #locking: Locking
  readonly #inspection: Inspection
  #session: Session | undefined
  #connecting: Promise<Session> | undefined
  #closed: Promise<void> | undefined

  /** Never throws: the options are checked when the store is opened. */
  constructor(
    options: ManagerOptions,
    openStore: (url: string | undefined) => Promise<StoreDriver>,
    machine: Machine = SYSTEM,
  ) {
    this.#options = Object.freeze({ ...options })
    this.#openStore = openStore
    this.#machine = machine
    const connect = (): Session | Promise<Session> =>
      this.#closed === undefined && this.#session !== undefined ? this.#session : this.#connected()
    this.#locking = new Locking(connect)
    this.#inspection = new Inspection(connect, this.#closing.signal)
  }

  /**
   * Opens the store. Not needed: the first call does it, and a later one tries again if it failed.
   *
   * @throws StoreUnavailableError if the store cannot be opened
   * @throws InvalidRequestError for an option out of its range
   */
  async connect(): Promise<void> {
    await this.#connected()
  }

  /**
   * Acquires resources, all together or not at all, waiting in line if it must.
   *
   * @throws LockBusyError with `waitTimeout` 0, if it is not free
   * @throws LockTimeoutError if it was not free within `waitTimeout`
   * @throws DeadlockError if waiting could never end
   * @throws StoreUnavailableError if the store did not answer
   * @throws InvalidRequestError for a value out of its range, or an unknown option
   * @throws ClosedError once the manager is closed
   */
  async acquire(resources: Resources, options: AcquireOptions): Promise<Lock> {
    return this.#locking.acquire(resources, options, currentActivity())
  }

  /** As {@link acquire}, but `null` instead of waiting. */
  async tryAcquire(resources: Resources, options: TryAcquireOptions): Promise<Lock | null> {
    return this.#locking.tryAcquire(resources, options, currentActivity())
  }

  /**
   * Runs `fn` while the lock is held, and releases it however `fn` ends. What `fn` does is one sequential activity:
   * inside of it deadlocks are found, and `reentrant` knows what is held.
   *
   * @throws LockLostError if the lock was lost meanwhile, whatever `fn` did; its error, if any, is the `cause`
   */
  async withLock<T>(resources: Resources, options: AcquireOptions, fn: LockedCallback<T>): Promise<T> {
    return this.#locking.withLock(resources, options, fn, currentActivity() ?? newActivity())
  }

  /** Whether any lease covers the resource; for a tree: the whole of it. Waiters do not count. */
  isLocked(resource: string): Promise<boolean> {
    return this.#inspection.isLocked(resource)
  }

  /** Who holds the resource; of several readers the one with the nearest claim, and of those the earliest. */
  getOwner(resource: string): Promise<string | null> {
    return this.#inspection.getOwner(resource)
  }

  /** The lease that covers the resource; of several the one with the nearest claim, and of those the earliest. */
  getLockInfo(resource: string): Promise<LockInfo | null> {
    return this.#inspection.getLockInfo(resource)
  }

  /** Every locked resource that matches, one entry per claim, page by page. */
  listLocks(options: ListOptions = {}): AsyncGenerator<LockInfo, void, undefined> {
    return this.#inspection.listLocks(options)
  }

  /** Locks that are older than `maxAge`, however often they were extended. */
  findStaleLocks(options: StaleOptions): Promise<LockInfo[]> {
    return this.#inspection.findStaleLocks(options)
  }

  /**
   * Ends every lease that covers the resource, or only the one with the given fencing token, and tells its holder by
   * whom and why. The next in line is granted in the same step. Returns what was ended.
   */
  forceUnlock(resource: string, options: ForceUnlockOptions): Promise<LockInfo[]> {
    return this.#inspection.forceUnlock(resource, options)
  }

  /**
   * The events of every process that uses this namespace, from now or after a cursor, until the signal aborts or the
   * manager is closed. Where the log no longer has what follows the cursor there is one `gap` event.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<LockEvent | GapEvent, void, undefined> {
    return this.#inspection.watch(options)
  }

  /** The same methods for one agent, which does one thing at a time: deadlocks are found, and re-entry is possible. */
  agent(agentId: string): AgentLocks {
    return new AgentLocks(agentId, this.#locking, this.#inspection)
  }

  /** Runs `fn` outside of the present activity: for work that a callback starts and does not await. */
  detached<T>(fn: () => T): T {
    return detached(fn)
  }

  /** Releases what this manager holds, stops what waits, and frees what was opened. Later calls reject with CLOSED. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #connected(): Promise<Session> {
    if (this.#closed !== undefined) throw new ClosedError('The lock manager is closed: make a new one.')
    this.#connecting ??= this.#open()
    try {
      this.#session = await this.#connecting
      return this.#session
    } catch (error) {
      this.#connecting = undefined
      throw error
    }
  }

  async #open(): Promise<Session> {
    checkOptions(this.#options, OPTIONS, 'ResourceLockManager')
    const { store, namespace = 'default', eventBus = getEventBus(), registry, metrics = true } = this.#options
    const heartbeatMs = parseDuration(this.#options.heartbeat ?? '2s', 'heartbeat', HEARTBEAT_LIMITS)
    checkNamespace(namespace)
    if (!hasMethod(eventBus, 'publish')) {
      throw new InvalidRequestError(`eventBus: ${show(eventBus)} is not an event bus: it has no method publish.`)
    }
    if (registry !== undefined && !hasMethod(registry, 'getSingleMetric')) {
      throw new InvalidRequestError(`registry: ${show(registry)} is not a registry of prom-client.`)
    }
    const { maxAgentLabels } = this.#options
    const maxAgents = maxAgentLabels === undefined ? undefined : checkCount(maxAgentLabels, 'maxAgentLabels')
    const driver = isDriver(store) ? store : await this.#openStore(store)
    const measured = checkBoolean(metrics, 'metrics')
      ? await createMetrics({
          ...(registry === undefined ? {} : { registry }),
          ...(maxAgents === undefined ? {} : { maxAgents }),
        })
      : noMetrics
    return new Session(
      await driver.open(namespace, this.#closing.signal),
      this.#machine.clock,
      new Observer(measured, eventBus),
      heartbeatMs,
      this.#machine.chance,
    )
  }

  async #close(): Promise<void> {
    this.#closing.abort(new ClosedError('The lock manager was closed.'))
    const session = await this.#connecting?.catch(() => undefined)
    await session?.close()
  }
}

function isDriver(store: ManagerOptions['store']): store is StoreDriver {
  return hasMethod(store, 'open')
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function'
}

import type {
  ForceUnlockOptions,
  Inspection,
  ListOptions,
  StaleOptions,
  WatchOptions,
} from './inspection/inspection.ts'
import type { Lock } from './lock/lock.ts'
import type { LockedCallback, Locking, Resources, TryAcquireOptions } from './lock/locking.ts'
import type { AcquireOptions } from './lock/request.ts'
import type { GapEvent, LockEvent, LockInfo } from './model.ts'
import { type Activity, newActivity } from './session/activity.ts'

/** Options of an agent's own calls: who it is need not be said again. */
export type AgentAcquireOptions = Omit<AcquireOptions, 'agentId'>
export type AgentTryAcquireOptions = Omit<TryAcquireOptions, 'agentId'>
export type AgentForceUnlockOptions = Omit<ForceUnlockOptions, 'adminAgentId'>

/**
 * A manager's methods for one agent. All that is done through one of these is one sequential activity: it does one
 * thing at a time, so deadlocks are found, and `reentrant` knows what it holds.
 */
export class AgentLocks {
  readonly agentId: string
  readonly #locking: Locking
  readonly #inspection: Inspection
  readonly #activity: Activity = newActivity()

  constructor(agentId: string, locking: Locking, inspection: Inspection) {
    this.agentId = agentId
    this.#locking = locking
    this.#inspection = inspection
  }

  /** As the manager's `acquire`. */
  async acquire(resources: Resources, options: AgentAcquireOptions = {}): Promise<Lock> {
    return this.#locking.acquire(resources, this.#signed(options), this.#activity)
  }

  /** As the manager's `tryAcquire`. */
  async tryAcquire(resources: Resources, options: AgentTryAcquireOptions = {}): Promise<Lock | null> {
    return this.#locking.tryAcquire(resources, this.#signed(options), this.#activity)
  }

  /** As the manager's `withLock`. */
  withLock<T>(resources: Resources, fn: LockedCallback<T>): Promise<T>
  withLock<T>(resources: Resources, options: AgentAcquireOptions, fn: LockedCallback<T>): Promise<T>
  async withLock<T>(
    resources: Resources,
    ...rest: readonly [LockedCallback<T>] | readonly [AgentAcquireOptions, LockedCallback<T>]
  ): Promise<T> {
    const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest
    return this.#locking.withLock(resources, this.#signed(options), fn, this.#activity)
  }

  /** As the manager's `isLocked`. */
  isLocked(resource: string): Promise<boolean> {
    return this.#inspection.isLocked(resource)
  }

  /** As the manager's `getOwner`. */
  getOwner(resource: string): Promise<string | null> {
    return this.#inspection.getOwner(resource)
  }

  /** As the manager's `getLockInfo`. */
  getLockInfo(resource: string): Promise<LockInfo | null> {
    return this.#inspection.getLockInfo(resource)
  }

  /** As the manager's `listLocks`. */
  listLocks(options: ListOptions = {}): AsyncGenerator<LockInfo, void, undefined> {
    return this.#inspection.listLocks(options)
  }

  /** As the manager's `findStaleLocks`. */
  findStaleLocks(options: StaleOptions): Promise<LockInfo[]> {
    return this.#inspection.findStaleLocks(options)
  }

  /** As the manager's `watch`. */
  watch(options: WatchOptions = {}): AsyncGenerator<LockEvent | GapEvent, void, undefined> {
    return this.#inspection.watch(options)
  }

  /** As the manager's `forceUnlock`, in this agent's name. */
  forceUnlock(resource: string, options: AgentForceUnlockOptions): Promise<LockInfo[]> {
    return this.#inspection.forceUnlock(resource, { ...options, adminAgentId: this.agentId })
  }

  #signed<Options extends object>(options: Options): Options & { readonly agentId: string } {
    return { ...options, agentId: this.agentId }
  }
}

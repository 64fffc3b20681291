import './core/node-version.ts'

export { ResourceLockManager } from './open.ts'
export { memoryStore, type MemoryStoreOptions } from './stores/memory/index.ts'
export {
  type PgPool,
  type PostgresDriver,
  type PostgresJs,
  type PostgresMigration,
  postgresStore,
  type PostgresStoreOptions,
  type SynchronousCommit,
} from './stores/postgres/index.ts'
export { type RedisClient, redisStore, type RedisStoreOptions } from './stores/redis/index.ts'
export { sqliteStore, type SqliteStoreOptions } from './stores/sqlite/index.ts'

export type { AgentAcquireOptions, AgentForceUnlockOptions, AgentLocks, AgentTryAcquireOptions } from './core/agent.ts'
export type { ForceUnlockOptions, ListOptions, StaleOptions, WatchOptions } from './core/inspection/inspection.ts'
export type { Lock, Wanted } from './core/lock/lock.ts'
export type { LockedCallback, Resources, TryAcquireOptions } from './core/lock/locking.ts'
export type { ManagerOptions } from './core/manager.ts'
export type { AcquireOptions } from './core/lock/request.ts'
export type { ResourceInput } from './core/resource/resource.ts'
export type * from './core/model.ts'
export type { Duration } from './core/time/duration.ts'
export {
  type Answer,
  type Batch,
  type Listener,
  type LockStore,
  type Message,
  NotExecutedError,
  type Outcome,
  type Step,
  type StoreDriver,
  type StoreLimits,
  type Subscription,
} from './core/store.ts'

export {
  ClosedError,
  DeadlockError,
  type ErrorCode,
  type ErrorDetails,
  FencedOutError,
  InvalidRequestError,
  isResourceLockError,
  LockBusyError,
  LockLostError,
  LockTimeoutError,
  NotHeldError,
  ResourceLockError,
  StoreUnavailableError,
} from './core/errors.ts'
export {
  EventBus,
  type EventBusLike,
  type EventBusOptions,
  type EventHandler,
  getEventBus,
} from './core/reporting/eventbus.ts'
export type { MetricsRegistry } from './core/reporting/metrics.ts'

export { type Backoff, exponential, type ExponentialOptions } from './core/time/backoff.ts'
export { defer, fail, onContention, retryAfter } from './core/patterns/contention.ts'
export { retry } from './core/patterns/retry.ts'
export { fileTarget } from './core/patterns/file-target.ts'
export { optimisticUpdate, type OptimisticTarget } from './core/patterns/optimistic.ts'
export { fileResource } from './core/resource/file-resource.ts'

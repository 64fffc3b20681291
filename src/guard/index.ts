export { type Fenced } from './fence.ts'
export {
  fileFence,
  type GuardedFileOptions,
  type GuardedUpdateOptions,
  guardedUpdateFile,
  guardedWriteFile,
  resetFileFence,
} from './files/guarded-file.ts'
export { type IoredisLike, type NodeRedisLike, type RedisClient } from './redis/client.ts'
export { type GuardedRedis, type GuardedRedisOptions, guardedRedis } from './redis/guarded-redis.ts'
export { type HashFields } from './redis/hash-fields.ts'
export { type PgLike, type PostgresClient, type PostgresJsLike, type Row } from './postgres/client.ts'
export {
  type Columns,
  fenceColumnSql,
  type GuardedTable,
  type GuardedTableOptions,
  guardedTable,
} from './postgres/guarded-table.ts'
export { assertHeld, type AssertHeldOptions } from './postgres/assert-held.ts'
export { fencedFetch, fenceHeader } from './http/header.ts'
export { type EnteredFence, type FenceGuardOptions } from './http/admission.ts'
export { type FencedHandler, fencedHandler } from './http/web.ts'
export { type FencedListener, fencedListener } from './http/node.ts'
export {
  type FenceKeeper,
  fileKeeper,
  memoryKeeper,
  type MemoryKeeperOptions,
  redisKeeper,
  type RedisKeeperOptions,
} from './http/keeper.ts'

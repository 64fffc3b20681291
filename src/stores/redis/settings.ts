import type { ConnectionOptions } from 'node:tls'
import { InvalidRequestError } from '../../core/errors.ts'
import { checkCount, checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { DEFAULT_LIMITS, type StoreLimits } from '../../core/store.ts'
import { type Duration, parseDuration } from '../../core/time/duration.ts'
import { DEFAULT_PREFIX } from './layout.ts'
import type { ReplicaWish } from './replicas.ts'
import { MAX_SHARDS } from './sharding/ids.ts'

export interface RedisStoreOptions {
  /** How much is remembered; see {@link StoreLimits} for the defaults. All who share a namespace should use the same. */
  readonly limits?: Partial<StoreLimits>
  /** What the names of all keys and channels begin with. Default `holdfast`. */
  readonly prefix?: string
  /**
   * Spreads a namespace over so many slots of a Cluster, 1 to 256; all who share it must use the same number. A weaker
   * mode: what spans shards is refused. Default 1.
   */
  readonly shards?: number
  /** A grant is believed only when so many replicas have it, each time within `timeout` (at most 5 s). Default: at once. */
  readonly waitForReplicas?: { readonly count: number; readonly timeout: Duration }
  /** With a `rediss:` URL only: what Node's `tls.connect` is to know, such as `ca`. Default: Node's defaults. */
  readonly tls?: ConnectionOptions
}

/** Options that were checked, with their defaults. */
export interface RedisSettings {
  readonly limits: StoreLimits
  readonly prefix: string
  readonly shards: number
  readonly replicas: ReplicaWish | undefined
  readonly tls: ConnectionOptions | undefined
}

const LONGEST_WAIT_MS = 5_000

/** @throws InvalidRequestError for an option that makes no sense */
export function readOptions(options: RedisStoreOptions): RedisSettings {
  checkOptions(options, ['limits', 'prefix', 'shards', 'waitForReplicas', 'tls'], 'redisStore')
  return {
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    prefix: readPrefix(options.prefix ?? DEFAULT_PREFIX),
    shards: readShards(options.shards ?? 1),
    replicas: options.waitForReplicas === undefined ? undefined : readReplicas(options.waitForReplicas),
    tls: options.tls,
  }
}

function readPrefix(prefix: unknown): string {
  // Braces would make another hash tag, and what ACL patterns are made of would not stand for itself.
  if (typeof prefix === 'string' && /^[\w.:/-]{1,128}$/u.test(prefix)) return prefix
  throw new InvalidRequestError(
    `redisStore: prefix: ${show(prefix)} is not allowed: use up to 128 letters, digits and any of _ . : / -`,
  )
}

function readShards(shards: unknown): number {
  const count = checkCount(shards, 'redisStore: shards')
  if (count <= MAX_SHARDS) return count
  throw new InvalidRequestError(`redisStore: shards: ${count} is not allowed: use at most ${MAX_SHARDS}.`)
}

function readReplicas(wish: NonNullable<RedisStoreOptions['waitForReplicas']>): ReplicaWish {
  checkOptions(wish, ['count', 'timeout'], 'redisStore: waitForReplicas')
  return {
    count: checkCount(wish.count, 'redisStore: waitForReplicas.count'),
    timeoutMs: parseDuration(wish.timeout, 'redisStore: waitForReplicas.timeout', { minMs: 1, maxMs: LONGEST_WAIT_MS }),
  }
}

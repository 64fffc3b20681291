import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { makeFolder } from '../../core/disk/make-folder.ts'
import { isResourceLockError } from '../../core/errors.ts'
import { checkCount, checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { checkResetTo } from '../fence.ts'
import { enterFolder, type FenceFolder, highestIn, resetFolder } from '../files/fence-folder.ts'
import { checkClient, type RedisClient } from '../redis/client.ts'
import { enterKey, highestOfKey, KEEP_FOR_EVER, resetKey } from '../redis/fence-entry.ts'

/** Keeps the highest fencing token of each resource, for a guard that is not next to the data. */
export interface FenceKeeper {
  /**
   * Takes note of a token unless it knows a higher one, in one step.
   *
   * @returns the highest token that has entered: the given one, or the higher one that forbids it
   */
  enter(resource: string, token: number): Promise<number>
  /** The highest token that has entered; 0 for none. */
  highest(resource: string): Promise<number>
  /**
   * The administrator's way out where a token that no clock will reach has entered.
   *
   * @param to the highest token from now on. Default 0: forgets the resource.
   * @returns the highest token until now
   */
  reset(resource: string, to?: number): Promise<number>
}

export interface MemoryKeeperOptions {
  /**
   * How many resources are kept one by one. Default 100 000. Of further ones those not seen for longest are forgotten,
   * and from then on a resource that is not known takes only tokens higher than all forgotten ones: that may refuse a
   * holder that was in its right, which then has to lock anew, but it admits none that is too late.
   */
  readonly maxResources?: number
}

/**
 * Keeps tokens in this process. After a restart it knows none, and would admit a client that has slept since before;
 * where that matters use {@link fileKeeper} or {@link redisKeeper}.
 */
export function memoryKeeper(options: MemoryKeeperOptions = {}): FenceKeeper {
  checkOptions(options, ['maxResources'], 'memoryKeeper')
  const maxResources = checkCount(options.maxResources ?? 100_000, 'maxResources')
  // In the order in which they were seen last.
  const known = new Map<string, number>()
  let forgotten = 0
  const highestOf = (resource: string): number => known.get(resource) ?? forgotten
  const set = (resource: string, token: number): void => {
    known.delete(resource)
    known.set(resource, token)
    if (known.size <= maxResources) return
    const [oldest] = known
    if (oldest === undefined) return
    known.delete(oldest[0])
    forgotten = Math.max(forgotten, oldest[1])
  }
  return {
    async enter(resource, token) {
      const highest = Math.max(highestOf(resource), token)
      set(resource, highest)
      return highest
    },
    async highest(resource) {
      return highestOf(resource)
    },
    async reset(resource, to = 0) {
      const before = highestOf(resource)
      set(resource, checkResetTo(to))
      return before
    },
  }
}

/**
 * Keeps tokens in a folder of a local file system, which all processes of a machine may share and which survives them.
 *
 * @param path of the folder, which is made where it is missing
 */
export function fileKeeper(path: string): FenceKeeper {
  const folder = resolve(path)
  // A resource may be longer than a file's name, and hold what no name may.
  const fenceOf = (resource: string): FenceFolder => ({
    path: join(folder, createHash('sha256').update(resource).digest('hex')),
    guarded: show(resource),
  })
  return {
    async enter(resource, token) {
      makeFolder(folder, 0o777)
      const fence = fenceOf(resource)
      try {
        await enterFolder(fence, { fencingToken: token })
        return token
      } catch (error) {
        if (!isResourceLockError(error, 'FENCED_OUT')) throw error
        return highestIn(fence.path)
      }
    },
    highest: (resource) => highestIn(fenceOf(resource).path),
    async reset(resource, to = 0) {
      makeFolder(folder, 0o777)
      return resetFolder(fenceOf(resource).path, checkResetTo(to))
    },
  }
}

export interface RedisKeeperOptions {
  /** What the keys start with. Default `'holdfast-http:'`. */
  readonly prefix?: string
}

/** Keeps tokens in Redis, for the processes of several machines. */
export function redisKeeper(client: RedisClient, options: RedisKeeperOptions = {}): FenceKeeper {
  checkOptions(options, ['prefix'], 'redisKeeper')
  checkClient(client)
  const { prefix = 'holdfast-http:' } = options
  // The scripts read the key beside the fence as well; there never is one.
  const place = { keep: KEEP_FOR_EVER, kind: 'string' } as const
  const keyOf = (resource: string): string => `${prefix}${createHash('sha256').update(resource).digest('base64url')}`
  return {
    enter: async (resource, token) => (await enterKey(client, keyOf(resource), token, place)).highest,
    highest: (resource) => highestOfKey(client, keyOf(resource)),
    reset: (resource, to = 0) => resetKey(client, keyOf(resource), to, KEEP_FOR_EVER),
  }
}

import { InvalidRequestError } from '../../core/errors.ts'
import { checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { type Duration, parseDuration } from '../../core/time/duration.ts'
import { type Fenced, fencedOut, tokenOf } from '../fence.ts'
import { checkClient, type RedisClient, readScript, runScript } from './client.ts'
import { enterKey, highestOfKey, type Keep, KEEP_FOR_EVER, type Kind, resetKey } from './fence-entry.ts'
import { fenceKeyOf } from './fence-key.ts'
import { changesOf, fieldsOf, type HashFields } from './hash-fields.ts'

/** How a guard in Redis works. */
export interface GuardedRedisOptions {
  /**
   * How long the highest token of a key is kept after the last guarded access. Default `'forever'`. A client that stood
   * still for longer than this is no longer recognised; what is gained is that the fences of old keys disappear.
   */
  readonly keepFence?: Duration | 'forever'
}

/** Guards for the keys of one Redis. */
export interface GuardedRedis {
  /**
   * Enters, reads a string, calls `fn` with it (`null` where there is no such key), and writes what that returns. An
   * expiry of the key is kept. If `fn` throws, nothing is written. Each of enter-and-read and check-and-write is one
   * atomic script.
   *
   * @returns what was written
   * @throws FencedOutError (FENCED_OUT) if a later holder has been there, or the guard has lost what it knew
   * @throws what `fn` throws, and the client's own errors; after those of the network the write may have happened
   */
  update(lock: Fenced, key: string, fn: (value: string | null) => string | Promise<string>): Promise<string>
  /** As `update`, for a string that holds JSON. `undefined` is what `fn` gets where there is no such key. */
  updateJson<Value>(lock: Fenced, key: string, fn: (value: Value | undefined) => Value | Promise<Value>): Promise<Value>
  /**
   * As `update`, for a hash; without such a key `fn` gets no fields. Only the fields that differ from what was read are
   * written, and those left out are deleted.
   */
  updateHash(
    lock: Fenced,
    key: string,
    fn: (fields: HashFields) => HashFields | Promise<HashFields>,
  ): Promise<HashFields>
  /** Enters and sets a string that does not depend on what was there. An expiry of the key is kept. */
  write(lock: Fenced, key: string, value: string): Promise<void>
  /** The highest token that has entered; 0 for none. */
  fence(key: string): Promise<number>
  /**
   * The administrator's way out where a token that no clock will reach has entered, so that every new holder is refused.
   * Updates under way are refused by it.
   *
   * @param to the highest token from now on. Default 0: the guard forgets all tokens.
   * @returns the highest token until now
   */
  resetFence(key: string, to?: number): Promise<number>
}

const WRITE = readScript('./write.lua')

/**
 * Guards values in Redis by fencing tokens: strings, JSON in strings, and hashes. The highest token is kept beside the
 * value, under a key of its own in the same slot (`{order:42}:holdfast-fence` for `order:42`), so that it outlives the
 * deletion and the expiry of the value.
 *
 * It cannot protect from who writes without the guard; and if Redis loses recent writes (a crash without AOF, a
 * fail-over), it may lose a token that has entered together with them.
 *
 * @param client of ioredis, iovalkey or `redis`; it stays yours
 * @throws InvalidRequestError for another client or unknown options
 */
export function guardedRedis(client: RedisClient, options: GuardedRedisOptions = {}): GuardedRedis {
  checkOptions(options, ['keepFence'], 'guardedRedis')
  const keep = keepOf(options.keepFence ?? 'forever')
  checkClient(client)

  async function enter(lock: Fenced, key: string, kind: Kind): Promise<unknown> {
    const token = tokenOf(lock)
    const { highest, value } = await enterKey(client, key, token, { keep, kind })
    if (highest > token) throw fencedOut(show(key), lock, highest)
    return value
  }

  async function write(lock: Fenced, key: string, values: readonly string[]): Promise<void> {
    const token = String(tokenOf(lock))
    const highest = await runScript(client, WRITE, [fenceKeyOf(key), key], [token, keep, ...values])
    if (highest !== token) throw fencedOut(show(key), lock, Number(highest))
  }

  const update: GuardedRedis['update'] = async (lock, key, fn) => {
    const value = checkValue(await fn((await enter(lock, key, 'string')) as string | null))
    await write(lock, key, ['string', value])
    return value
  }

  return {
    update,
    async updateJson<Value>(lock: Fenced, key: string, fn: (value: Value | undefined) => Value | Promise<Value>) {
      let changed: Value | undefined
      await update(lock, key, async (text) => {
        changed = await fn(text === null ? undefined : (JSON.parse(text) as Value))
        return asJson(changed)
      })
      return changed as Value
    },
    async updateHash(lock, key, fn) {
      const before = fieldsOf((await enter(lock, key, 'hash')) as readonly string[])
      const after = await fn({ ...before })
      const { set, remove } = changesOf(before, after)
      await write(lock, key, ['hash', String(set.length / 2), ...set, ...remove])
      return after
    },
    async write(lock, key, value) {
      checkValue(value)
      await enter(lock, key, 'string')
      await write(lock, key, ['string', value])
    },
    fence: (key) => highestOfKey(client, key),
    resetFence: (key, to = 0) => resetKey(client, key, to, keep),
  }
}

function keepOf(keepFence: Duration | 'forever'): Keep {
  const ms = parseDuration(keepFence, 'keepFence', { minMs: 1_000, maxMs: Infinity, words: { forever: Infinity } })
  return ms === Infinity ? KEEP_FOR_EVER : String(ms)
}

function checkValue(value: string): string {
  if (typeof value === 'string') return value
  throw new InvalidRequestError(`A Redis string cannot be set to ${show(value)}: give a string.`)
}

function asJson(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text !== undefined) return text
  throw new InvalidRequestError(`${show(value)} has no JSON: return the value that is to be written.`)
}

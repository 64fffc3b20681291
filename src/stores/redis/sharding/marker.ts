import { InvalidRequestError } from '../../../core/errors.ts'
import type { Layout } from '../layout.ts'
import type { RedisLink } from '../link.ts'

/**
 * Notes over how many shards a namespace is spread, where nobody has yet: with another number the same resource would be
 * in another shard, and two could hold it.
 *
 * @throws InvalidRequestError if it is spread over another number
 */
export async function agreeOnShards(link: RedisLink, { key }: Layout, shards: number): Promise<void> {
  const marker = key.replace(/rows$/u, 'shards')
  const found = (await link.call(key, 'SET', [marker, String(shards), 'NX', 'GET'])) as string | null
  if (found === null || found === String(shards)) return
  throw new InvalidRequestError(
    `redisStore: shards: this namespace is spread over ${found} shards, not ${shards}. All who share it must use the same number. To change it, stop them all, wait until their locks have ended, and delete the key ${marker}.`,
  )
}

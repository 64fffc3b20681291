import { InvalidRequestError } from '../../../core/errors.ts'
import { show } from '../../../core/show.ts'
import type { Client } from './client.ts'
import { IoredisClusterClient, type IoredisCluster } from './ioredis-cluster.ts'
import { Ioredis, type IoredisClient } from './ioredis.ts'
import { NodeRedisClusterClient, type NodeRedisCluster } from './node-redis-cluster.ts'
import { NodeRedis, type NodeRedisClient } from './node-redis.ts'

/**
 * A connected client of ioredis 5 or 6 (`Redis`, also with Sentinels, or `Cluster`), of node-redis 5 or 6
 * (`createClient`, `createCluster`), or of iovalkey. It stays the caller's: it is used, and never closed.
 */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster

/**
 * Says how to use a client: each call of what is returned adds listeners to it, which its `close` takes away.
 *
 * @throws InvalidRequestError for anything that is no such client
 */
export function recogniseClient(given: unknown): () => Client {
  if (typeof given !== 'object' || given === null) throw unknownClient(given)
  const client = given as Record<string, unknown>
  const can = (...methods: readonly string[]): boolean =>
    [...methods, 'on', 'off'].every((method) => typeof client[method] === 'function')
  if (can('call', 'nodes') && client['isCluster'] === true) {
    const cluster = unprefixed(given as IoredisCluster)
    return () => new IoredisClusterClient(cluster)
  }
  if (can('call', 'duplicate') && typeof client['status'] === 'string') {
    const single = unprefixed(given as IoredisClient)
    return () => new Ioredis(single)
  }
  if (can('sendCommand', 'nodeClient') && Array.isArray(client['slots'])) {
    return () => new NodeRedisClusterClient(given as NodeRedisCluster)
  }
  if (can('sendCommand', 'duplicate', 'connect') && typeof client['isReady'] === 'boolean') {
    return () => new NodeRedis(given as NodeRedisClient)
  }
  throw unknownClient(given)
}

/** A client that changes keys would change channels too, and not those that the script makes. */
function unprefixed<C extends IoredisClient | IoredisCluster>(client: C): C {
  const { keyPrefix } = client.options
  if (keyPrefix === undefined || keyPrefix === '') return client
  throw new InvalidRequestError(
    `redisStore: the client has the keyPrefix ${show(keyPrefix)}: give a client without it, and the option prefix instead.`,
  )
}

function unknownClient(given: unknown): InvalidRequestError {
  const what = typeof given === 'object' && given !== null ? `an object of ${given.constructor.name}` : show(given)
  return new InvalidRequestError(
    `redisStore: ${what} is neither a URL nor a client that is known: use redis://HOST:PORT, or a client of ioredis, node-redis (createClient, createCluster) or iovalkey.`,
  )
}

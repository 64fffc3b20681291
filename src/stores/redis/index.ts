import type { StoreDriver } from '../../core/store.ts'
import { openNamespace } from './assembly.ts'
import { ClientLink } from './client-link.ts'
import type { Client } from './clients/client.ts'
import { recogniseClient, type RedisClient } from './clients/recognise.ts'
import { clientFor } from './connect.ts'
import type { TableScript } from './script.ts'
import { readOptions, type RedisSettings, type RedisStoreOptions } from './settings.ts'
import { hashRouting, type Routing } from './sharding/routing.ts'
import { parseRedisUrl } from './url.ts'

export type { RedisClient } from './clients/recognise.ts'
export type { RedisStoreOptions } from './settings.ts'

/**
 * Locks among all processes that reach a Redis, 7.0 or later, or a Valkey: a single server, one that Sentinels watch,
 * or a Cluster.
 *
 * @param where a URL, `redis://USER:PASSWORD@HOST:PORT/DATABASE` or `rediss:` with TLS, which needs the package `ioredis`;
 *   with `?cluster=true` the host is a node of a Cluster, with `?sentinel=NAME` a Sentinel. Or your own connected client
 *   of ioredis, node-redis or iovalkey, which stays yours to close.
 * @throws InvalidRequestError for a URL, a client or an option that makes no sense. `open` rejects with
 *   StoreUnavailableError where the server cannot be used, and says what to change.
 */
export function redisStore(where: string | RedisClient, options: RedisStoreOptions = {}): StoreDriver {
  return redisStoreOf(where, options, {})
}

/** What stores are put together from, where it is not as usual. */
export interface Parts {
  /** Which shard has what. Default: by the hash of the type and the first segment. */
  readonly route?: (shards: number) => Routing
  /** Default: the lock table with the server's own clock. */
  readonly table?: TableScript
}

/** As {@link redisStore}, of other parts. */
export function redisStoreOf(
  where: string | RedisClient,
  options: RedisStoreOptions,
  { route = hashRouting, table }: Parts,
): StoreDriver {
  const settings = readOptions(options)
  const makeClient = clientMaker(where, settings)
  return {
    async open(namespace, signal) {
      signal?.throwIfAborted()
      const link = new ClientLink(await makeClient())
      try {
        const store = openNamespace(link, namespace, settings, { routing: route(settings.shards), table })
        return await (signal === undefined ? store : Promise.race([store, aborted(signal)]))
      } catch (error) {
        await link.close()
        throw error
      }
    },
  }
}

/** What is wrong with where the store is to be is said at once, and not when it is opened. */
function clientMaker(where: string | RedisClient, { tls }: RedisSettings): () => Promise<Client> {
  if (typeof where !== 'string') {
    const make = recogniseClient(where)
    return async () => make()
  }
  const target = parseRedisUrl(where)
  return () => clientFor(target, tls)
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

import type { ConnectionOptions } from 'node:tls'
import { InvalidRequestError } from '../../core/errors.ts'
import { type Client, CONNECT_MS } from './clients/client.ts'
import { IoredisClusterClient, type OwnIoredisCluster } from './clients/ioredis-cluster.ts'
import { Ioredis, type OwnIoredis } from './clients/ioredis.ts'
import type { RedisTarget } from './url.ts'

/** The longest pause between two attempts to connect. */
const LONGEST_PAUSE_MS = 1_000

/** What is used of the package. */
export interface IoredisPackage {
  readonly Redis: new (options: object) => OwnIoredis
  readonly Cluster: new (nodes: readonly object[], options: object) => OwnIoredisCluster
}

/**
 * A client for a URL, not connected yet. Commands are never sent again by it: what a lost connection left open, the
 * session repeats under its number.
 *
 * @param load Default: the package `ioredis`
 * @throws InvalidRequestError where the package is missing
 */
export async function clientFor(
  target: RedisTarget,
  tls: ConnectionOptions | undefined,
  load: () => Promise<IoredisPackage> = importIoredis,
): Promise<Client> {
  const { Redis, Cluster } = await load().catch(explain)
  const options = optionsFor(target, tls)
  if (target.cluster) {
    const cluster = new Cluster(target.hosts, {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: pauseMs,
      // It would keep the process alive; a slot that has moved is met by the next command.
      slotsRefreshInterval: 0,
      redisOptions: options,
    })
    return new IoredisClusterClient(cluster, cluster)
  }
  const where =
    target.sentinel === undefined
      ? { ...target.hosts[0], db: target.db }
      : { ...sentinelOptions(target, options), db: target.db }
  const client = new Redis({
    ...options,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: pauseMs,
    ...where,
  })
  return new Ioredis(client, client)
}

async function importIoredis(): Promise<IoredisPackage> {
  return (await import('ioredis')) as unknown as IoredisPackage
}

function explain(cause: unknown): never {
  if ((cause as { readonly code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
  throw new InvalidRequestError(
    'A redis: URL needs the package ioredis, which is not installed: run npm install ioredis, or give redisStore a client of your own.',
    { cause },
  )
}

function optionsFor({ username, password, tls: isTls }: RedisTarget, tls: ConnectionOptions | undefined): object {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(isTls && { tls: tls ?? {} }),
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    // These would need permissions of their own.
    enableReadyCheck: false,
    disableClientInfo: true,
  }
}

function sentinelOptions({ hosts, sentinel, tls: isTls }: RedisTarget, { tls }: { readonly tls?: object }): object {
  return {
    sentinels: hosts,
    name: sentinel,
    // Whether the server that a Sentinel names is the primary indeed.
    enableReadyCheck: true,
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(isTls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  }
}

function pauseMs(attempt: number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS)
}

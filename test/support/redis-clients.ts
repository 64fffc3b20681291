import { randomUUID } from 'node:crypto'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5'
import { Cluster as ValkeyCluster, Redis as Valkey } from 'iovalkey'
import { createClient, createCluster } from 'redis'
import { createClient as createClient5, createCluster as createCluster5 } from 'redis-5'
import { afterAll } from 'vitest'
import { type RedisClient, redisStore, redisStoreOf } from '../../src/stores/redis/index.ts'
import type { Routing } from '../../src/stores/redis/sharding/routing.ts'
import type { MakeHarness } from '../../src/testing/index.ts'
import { documentedRules } from './redis-acl.ts'
import { RedisCluster } from './redis-cluster.ts'
import type { RedisServer } from './redis-server.ts'
import { driveClock, drivenTable, sharedServer } from './redis-table.ts'

const HOST = '127.0.0.1'
const closing: (() => unknown)[] = []

/** The clients that a test file has made are closed behind it: the stores over them must not have done that. */
afterAll(async () => {
  for (const close of closing.splice(0)) await close()
})

/** What is made when it is first needed, once for the test file. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

function closedLater<C>(client: C, close: (client: C) => unknown): C {
  closing.push(() => close(client))
  return client
}

/** The Cluster of the tests of this file. */
export const sharedRedisCluster: () => Promise<RedisCluster> = once(() => RedisCluster.start())

/** Connected clients of every kind, to the servers of the test file. */
export const clients = {
  ioredis: once(async () => closedLater(new Redis(await portOf()), (client) => client.disconnect())),
  /** As a user that may do what the documentation says, and nothing else. */
  'ioredis-5': once(async () => {
    const server = await sharedServer()
    await server.command('ACL', 'SETUSER', 'least', 'on', '>pw', ...documentedRules())
    const least = { username: 'least', password: 'pw', enableReadyCheck: false, disableClientInfo: true }
    return closedLater(new Redis5({ port: server.port, ...least }), (client) => client.disconnect())
  }),
  iovalkey: once(async () => closedLater(new Valkey(await portOf()), (client) => client.disconnect())),
  'node-redis': once(async () => {
    const client = createClient({ url: (await sharedServer()).url })
    return closedLater(await client.connect(), (each) => each.destroy())
  }),
  'node-redis-5': once(async () => {
    const client = createClient5({ url: (await sharedServer()).url })
    return closedLater(await client.connect(), (each) => each.destroy())
  }),
  'ioredis-cluster': once(async () => {
    return closedLater(new Cluster([...(await sharedRedisCluster()).addresses]), (client) => client.disconnect())
  }),
  'ioredis-5-cluster': once(async () => {
    return closedLater(new Cluster5([...(await sharedRedisCluster()).addresses]), (client) => client.disconnect())
  }),
  'iovalkey-cluster': once(async () => {
    return closedLater(new ValkeyCluster([...(await sharedRedisCluster()).addresses]), (client) => client.disconnect())
  }),
  'node-redis-cluster': once(async () => {
    const client = createCluster({ rootNodes: await rootNodes() })
    return closedLater(await client.connect(), (each) => each.destroy())
  }),
  'node-redis-5-cluster': once(async () => {
    const client = createCluster5({ rootNodes: await rootNodes() })
    await client.connect()
    return closedLater(client, (each) => each.destroy())
  }),
} as const satisfies Record<string, () => Promise<RedisClient>>

export type ClientName = keyof typeof clients

export const singleNames = ['ioredis', 'ioredis-5', 'iovalkey', 'node-redis', 'node-redis-5'] as const
export const clusterNames = [
  'ioredis-cluster',
  'ioredis-5-cluster',
  'iovalkey-cluster',
  'node-redis-cluster',
  'node-redis-5-cluster',
] as const

/** The servers that a client leads to. */
export async function serversOf(name: ClientName): Promise<readonly RedisServer[]> {
  return name.endsWith('-cluster') ? (await sharedRedisCluster()).servers : [await sharedServer()]
}

async function portOf(): Promise<number> {
  return (await sharedServer()).port
}

async function rootNodes(): Promise<{ readonly url: string }[]> {
  return (await sharedRedisCluster()).servers.map(({ url }) => ({ url }))
}

/** A namespace over a client of the test file. */
export function overClient(client: () => Promise<RedisClient>): MakeHarness {
  return async ({ limits }) => {
    const namespace = randomUUID()
    return { connect: async () => redisStore(await client(), { limits }).open(namespace) }
  }
}

/** A namespace over a client of the test file, whose clock the test drives. */
export function drivenOverClient(client: () => Promise<RedisClient>): MakeHarness {
  const table = drivenTable()
  return async ({ limits }) => {
    const namespace = randomUUID()
    const advance = await driveClock(await sharedServer(), namespace)
    return { connect: async () => redisStoreOf(await client(), { limits }, { table }).open(namespace), advance }
  }
}

/** A namespace behind a URL. */
export function overUrl(url: () => Promise<string>): MakeHarness {
  return async ({ limits }) => {
    const namespace = randomUUID()
    return { connect: async () => redisStore(await url(), { limits }).open(namespace) }
  }
}

/** The URL of the Cluster of the test file. */
export async function clusterUrl(): Promise<string> {
  const { addresses } = await sharedRedisCluster()
  return `redis://${addresses.map(({ port }) => `${HOST}:${port}`).join(',')}?cluster=true`
}

/** Several shards, where every case finds all its resources in one of them. */
export const inOneShard: MakeHarness = async ({ limits }) => {
  const { url } = await sharedServer()
  const namespace = randomUUID()
  const route = (shards: number): Routing => ({ shards, shardOf: () => shards - 1, homeOf: () => shards - 1 })
  return { connect: () => redisStoreOf(url, { limits, shards: 3 }, { route }).open(namespace) }
}

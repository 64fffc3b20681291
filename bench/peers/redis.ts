import { Redis } from 'ioredis'
import type { Opened } from '../compare/contender.ts'
import { LEASE_MS } from '../redis/contenders.ts'
import { peer } from './peer.ts'

/** What is used of each peer. They live in a package of their own, so that nobody installs them but for this. */
interface Semaphore {
  readonly Mutex: new (client: Redis, key: string, options: object) => Lockable
}

interface Verrou {
  readonly Verrou: new (options: object) => { createLock(key: string, ttl: number): Lockable }
}

interface VerrouRedis {
  readonly redisStore: (options: { readonly connection: Redis }) => unknown
}

interface Redlock {
  readonly default: new (
    clients: Redis[],
    options: object,
  ) => { acquire(keys: string[], ttl: number): Promise<{ release(): Promise<unknown> }> }
}

interface Lockable {
  acquire(): Promise<unknown>
  release(): Promise<unknown>
}

const WAIT_MS = 120_000

export async function openRedisSemaphore(port: number): Promise<Opened> {
  const { Mutex } = await peer<Semaphore>('redis-semaphore')
  const client = new Redis({ host: '127.0.0.1', port })
  return {
    async acquire(resource) {
      const mutex = new Mutex(client, resource, { lockTimeout: LEASE_MS, acquireTimeout: WAIT_MS })
      await mutex.acquire()
      return () => mutex.release()
    },
    close: async () => client.disconnect(),
  }
}

export async function openVerrou(port: number): Promise<Opened> {
  const { Verrou } = await peer<Verrou>('@verrou/core')
  const { redisStore } = await peer<VerrouRedis>('@verrou/core/drivers/redis')
  const connection = new Redis({ host: '127.0.0.1', port })
  const locks = new Verrou({ default: 'redis', stores: { redis: { driver: redisStore({ connection }) } } })
  return {
    async acquire(resource) {
      const lock = locks.createLock(resource, LEASE_MS)
      if ((await lock.acquire()) === false) throw new Error(`@verrou/core gave up on ${resource}`)
      return () => lock.release()
    },
    close: async () => connection.disconnect(),
  }
}

export async function openRedlock(port: number): Promise<Opened> {
  const { default: Redlock } = await peer<Redlock>('redlock')
  const client = new Redis({ host: '127.0.0.1', port })
  const locks = new Redlock([client], { retryCount: -1 })
  return {
    async acquire(resource) {
      const lock = await locks.acquire([resource], LEASE_MS)
      return () => lock.release()
    },
    close: async () => client.disconnect(),
  }
}

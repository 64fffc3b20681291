import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { guardedRedis, redisKeeper } from '../../src/guard/index.ts'
import { RedisCluster } from '../support/redis-cluster.ts'

const [EARLY, LATE] = [{ fencingToken: 1 }, { fencingToken: 2 }]
const KEYS = ['order:42', '{order:42}:lines', 'a{b}c{d}', 'open{brace', 'é ü', 'a', 'b', 'c', 'd']

let cluster: RedisCluster
beforeAll(async () => {
  cluster = await RedisCluster.start()
}, 60_000)
afterAll(async () => {
  for (const server of cluster.servers) await server.stop()
})

const clients = {
  async ioredis() {
    const client = new Cluster(cluster.addresses.map(({ host, port }) => ({ host, port })))
    return { client, close: () => client.quit() }
  },
  async redis() {
    const rootNodes = cluster.addresses.map(({ host, port }) => ({ url: `redis://${host}:${port}` }))
    const client = createCluster({ rootNodes })
    await client.connect()
    return { client, close: () => client.close() }
  },
}

describe.each(Object.entries(clients))('in a Cluster, over %s,', (name, open) => {
  test('a fence is in the slot of its key', { timeout: 30_000 }, async () => {
    const opened = await open()
    const guard = guardedRedis(opened.client)
    for (const each of KEYS) {
      const key = `${name}:${each}`
      // A script that was sent keys of two slots would be refused.
      await guard.update(LATE, key, () => 'x')
      await expect(guard.update(EARLY, key, () => 'y')).rejects.toMatchObject({ code: 'FENCED_OUT' })
      expect(await guard.fence(key)).toBe(LATE.fencingToken)
    }
    expect(await redisKeeper(opened.client).enter('/a', 7)).toBe(7)
    await opened.close()
  })
})

import { randomUUID } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { layoutOf } from '../../../src/stores/redis/layout.ts'
import { Actor } from '../../../src/testing/actor.ts'
import { until } from '../../support/polling.ts'
import {
  type ClientName,
  clients,
  clusterNames,
  serversOf,
  sharedRedisCluster,
  singleNames,
} from '../../support/redis-clients.ts'
import { sharedServer } from '../../support/redis-table.ts'

function actor(name: string, store: Actor['store']): Actor {
  return new Actor({ name, store, deadMs: 60_000, tell: () => {} })
}

/** Connections on which somebody has subscribed. */
async function subscribers(name: ClientName): Promise<number> {
  const lists = await Promise.all((await serversOf(name)).map((server) => server.command('CLIENT', 'LIST')))
  const lines = lists.flatMap((list) => String(list).trim().split('\n'))
  return lines.filter((line) => /\bs?sub=[1-9]/u.test(line)).length
}

async function killSubscribers(name: ClientName): Promise<void> {
  for (const server of await serversOf(name)) await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
}

describe.for([...singleNames, ...clusterNames])('with a client of a user, %s', (name) => {
  const open = async (namespace: string): Promise<Actor['store']> => redisStore(await clients[name]()).open(namespace)

  test('a grant is pushed, also after the subscriber connection was killed', async () => {
    const store = await open(randomUUID())
    const [holder, waiter] = [actor('holder', store), actor('waiter', store)]
    let interruptions = 0
    const subscription = await waiter.subscribe(() => (interruptions += 1))
    const first = await holder.acquire('x:a')
    await waiter.queue('x:a')
    await holder.release(first)
    await until('the grant is pushed', () => waiter.pushed.length === 1)
    const lock = await waiter.granted({ id: waiter.pushed[0]?.id ?? 0, token: '' })

    await killSubscribers(name)
    await until('the interruption is told', () => interruptions > 0)
    const next = await holder.queue('x:a')
    const heard = await holder.subscribe()
    await waiter.force('x:a', lock.fence)
    await until('the next grant is pushed', () => holder.pushed.some(({ id }) => id === next.id))
    await holder.granted(next)
    expect(waiter.inbox[0]).toMatchObject({ type: 'granted', fence: lock.fence })
    await heard.close()
    await subscription.close()
    await store.close()
  })

  test('a closed store leaves the client open, and nothing of its own behind', async () => {
    const client = await clients[name]()
    const before = await subscribers(name)
    const listeners = (): number[] =>
      ['error', 'node error', 'node-error'].map((event) => emitter(client).listenerCount(event))
    const heard = listeners()
    const store = await open(randomUUID())
    await actor('a', store).subscribe()
    await store.follow(() => {})
    expect(await subscribers(name)).toBe(before + 1)
    await store.close()
    await until('the subscriber connection is gone', async () => (await subscribers(name)) === before)
    expect(listeners()).toEqual(heard)
    const again = await open(randomUUID())
    await actor('a', again).acquire('x:a')
    await again.close()
  })

  test('many sessions and a follower share one subscriber connection', async () => {
    const before = await subscribers(name)
    const store = await open(randomUUID())
    await Promise.all(Array.from({ length: 10 }, (_, index) => actor(`a${index}`, store).subscribe()))
    await store.follow(() => {})
    expect(await subscribers(name)).toBe(before + 1)
    await store.close()
  })
})

describe.for(clusterNames)('in a Cluster, with %s', (name) => {
  test('commands and subscriptions follow a slot that moves', async () => {
    const namespace = randomUUID()
    const store = await redisStore(await clients[name]()).open(namespace)
    const cluster = await sharedRedisCluster()
    const [holder, waiter] = [actor('holder', store), actor('waiter', store)]
    let interruptions = 0
    await waiter.subscribe(() => (interruptions += 1))
    const lock = await holder.acquire('x:a')
    const place = await waiter.queue('x:a')
    const slot = await cluster.slotOf(layoutOf(namespace).key)
    await cluster.migrate(slot, await cluster.strangerTo(slot))
    await until('the subscription has followed', () => interruptions > 0)
    await holder.release(lock)
    await until('the grant is pushed', () => waiter.pushed.some(({ id }) => id === place.id))
    expect(await waiter.granted(place)).toMatchObject({ id: place.id })
    await store.close()
  })
})

describe('what no client can be used with', () => {
  test('is refused: a prefix of the client’s own', async () => {
    const client = new Redis((await sharedServer()).port, { keyPrefix: 'mine:', lazyConnect: true })
    expect(() => redisStore(client)).toThrow('keyPrefix')
    client.disconnect()
  })
})

function emitter(client: object): Pick<EventEmitter, 'listenerCount'> {
  return client as EventEmitter
}

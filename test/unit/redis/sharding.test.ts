import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { InvalidRequestError } from '../../../src/core/errors.ts'
import type { LockStore } from '../../../src/core/store.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { layoutOf } from '../../../src/stores/redis/layout.ts'
import { hashRouting } from '../../../src/stores/redis/sharding/routing.ts'
import { Actor } from '../../../src/testing/actor.ts'
import { manager } from '../../support/managers.ts'
import { until } from '../../support/polling.ts'
import { clusterUrl, sharedRedisCluster } from '../../support/redis-clients.ts'
import { sharedServer } from '../../support/redis-table.ts'

const SHARDS = 4
const routing = hashRouting(SHARDS)

/** One resource of each shard. */
const places = Array.from({ length: SHARDS }, (_, shard) => {
  for (let index = 0; ; index += 1) {
    const resourceId = `x:p${index}`
    if (routing.shardOf({ resourceId, scope: 'node' }) === shard) return resourceId
  }
})
const [first = '', second = '', third = ''] = places

function actor(name: string, store: LockStore, deadMs: number = 60_000): Actor {
  return new Actor({ name, store, deadMs, tell: () => {} })
}

async function open(namespace: string = randomUUID(), shards: number = SHARDS): Promise<LockStore> {
  return redisStore((await sharedServer()).url, { shards }).open(namespace)
}

/** Keeps what a shard holds now; gives what sets it back to that. */
async function keepShard(namespace: string, shard: number): Promise<() => Promise<void>> {
  const { key } = layoutOf(`${shard}/${SHARDS}/${namespace}`, 'holdfast:shards')
  const server = await sharedServer()
  const keys = (await server.command('KEYS', key.replace(/rows$/u, '*'))) as readonly string[]
  for (const each of keys) await server.command('COPY', each, `kept:${each}`)
  return async () => {
    await clearShard(namespace, shard)
    for (const each of keys) await server.command('RENAME', `kept:${each}`, each)
  }
}

async function clearShard(namespace: string, shard: number): Promise<void> {
  const { key } = layoutOf(`${shard}/${SHARDS}/${namespace}`, 'holdfast:shards')
  const server = await sharedServer()
  const keys = (await server.command('KEYS', key.replace(/rows$/u, '*'))) as readonly string[]
  await server.command('DEL', ...keys)
}

describe('the routing of shards', () => {
  test('keeps a resource and everything under its first segment together', () => {
    const shardOf = (resourceId: string, scope: 'node' | 'tree'): number | undefined =>
      routing.shardOf({ resourceId, scope })
    for (const stem of ['file:src', 'file:docs', 'db:x', 'a:b:c']) {
      const shard = shardOf(stem, 'node')
      expect(shardOf(stem, 'tree')).toBe(shard)
      expect(shardOf(`${stem}/a`, 'node')).toBe(shard)
      expect(shardOf(`${stem}/a/b`, 'tree')).toBe(shard)
    }
    expect(shardOf('file:', 'tree')).toBeUndefined()
    expect(shardOf('file:', 'node')).toBeTypeOf('number')
  })

  test('uses every shard', () => {
    const used = Array.from({ length: 200 }, (_, index) => routing.shardOf({ resourceId: `x:${index}`, scope: 'node' }))
    expect(new Set(used).size).toBe(SHARDS)
  })
})

describe('a store in shards', () => {
  test('grants and queues in every shard, and tells one session of all', async () => {
    const store = await open()
    const [a, b] = [actor('a', store), actor('b', store)]
    await b.subscribe()
    const locks = []
    for (const place of places) locks.push(await a.acquire(place))
    expect(new Set(locks.map(({ id }) => id)).size).toBe(SHARDS)
    const waits = []
    for (const place of places) waits.push(await b.queue(place))
    for (const lock of locks) expect(await a.release(lock)).toMatchObject({ released: true })
    for (const wait of waits) await b.granted(wait)
    expect(b.inbox.map(({ number }) => number)).toEqual([1, 2, 3, 4])
    await b.heartbeat()
    expect((await b.heartbeat()).messages).toEqual([])
    await store.close()
  })

  test('executes a batch for several shards once, also when it is repeated', async () => {
    const store = await open()
    const a = actor('a', store)
    const answer = await a.send(places.map((place) => a.asking(place)))
    expect(answer.outcomes?.map(({ type }) => type)).toEqual(['granted', 'granted', 'granted', 'granted'])
    expect(await a.repeat()).toEqual(answer)
    await store.close()
  })

  test.each([
    ['a request for resources of different shards', [first, second]],
    ['a whole type', ['x:**']],
  ])('refuses %s, and says why', async (_, resources) => {
    const store = await open()
    const a = actor('a', store)
    const refused = await a.ask(resources).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(InvalidRequestError)
    expect(refused).toMatchObject({ message: expect.stringContaining('shards') as string })
    expect((await a.inspect(first)).leases).toEqual([])
    await store.close()
  })

  test('lists and tells events of all shards, in pages that go on', async () => {
    const store = await open()
    const a = actor('a', store)
    const { cursor } = await a.events(null)
    const resources = Array.from({ length: 1200 }, (_, index) => `y:${index}`)
    for (let start = 0; start < resources.length; start += 200) {
      await a.send(resources.slice(start, start + 200).map((resource) => a.asking(resource)))
    }
    const listed: string[] = []
    for (let page = await a.list(); ; page = await a.list({ after: page.next })) {
      listed.push(...page.leases.map(({ claim }) => claim.resourceId))
      if (page.next === null) break
    }
    expect(listed.toSorted()).toEqual(resources.toSorted())
    const told: string[] = []
    for (let page = await a.events(cursor, 100); page.events.length > 0; page = await a.events(page.cursor, 100)) {
      expect(page.gap).toBe(false)
      expect(page.events.at(-1)?.cursor).toBe(page.cursor)
      told.push(...page.events.flatMap(({ claims }) => claims.map(({ resourceId }) => resourceId)))
    }
    expect(told.toSorted()).toEqual(resources.toSorted())
    await store.close()
  })

  test('takes the loss of one shard’s data for the loss of all, and gives back what it did meanwhile', async () => {
    const namespace = randomUUID()
    const store = await open(namespace)
    const a = actor('a', store)
    for (const place of places) await a.acquire(place)
    const { epoch } = a
    await clearShard(namespace, 1)
    const answer = await a.send([a.asking(`${first}/new`), a.asking(second)])
    expect(answer).toMatchObject({ outcomes: null, fresh: true })
    expect(answer.epoch).not.toBe(epoch)
    a.epoch = answer.epoch
    const b = actor('b', store)
    expect((await b.inspect(`${first}/new`)).leases).toEqual([])
    expect((await b.inspect(third)).leases).toMatchObject([{ agentId: 'a' }])
    expect(await a.attempt(second)).toBeDefined()
    await store.close()
  })

  test('tells a session that one shard has gone back, and has posted another message under the same number', async () => {
    const namespace = randomUUID()
    const store = await open(namespace)
    const [a, b] = [actor('a', store), actor('b', store)]
    await b.subscribe()
    const locks = [await a.acquire(first), await a.acquire(second)]
    const waits = [await b.queue(first), await b.queue(second)]
    const setBack = await keepShard(namespace, 0)
    for (const lock of locks) await a.release(lock)
    await until('both are pushed', () => b.pushed.length === 2)
    const fences = b.pushed.map((message) => message.type === 'granted' && message.fence)
    await setBack()
    await a.force(first)
    const answer = await b.send([], { acked: 2, received: b.pushed })
    expect(answer).toMatchObject({ fresh: true, messages: [{ type: 'granted', id: waits[0]?.id }] })
    expect(fences).not.toContain(answer.messages[0]?.type === 'granted' && answer.messages[0].fence)
    expect(await b.send([], { acked: 3, received: answer.messages })).toMatchObject({ fresh: false, messages: [] })
    await store.close()
  })

  test('keeps a session alive in the shards that its batches do not concern', async () => {
    const store = await open()
    const [a, b] = [actor('a', store), actor('b', store, 400)]
    const lock = await a.acquire(second)
    const place = await b.queue(second)
    const end = performance.now() + 1200
    while (performance.now() < end) expect((await b.send([b.asking(first, { waitMs: 0 })])).fresh).toBe(false)
    await a.release(lock)
    await b.granted(place)
    await store.close()
  })

  test('says that a session that was silent in one shard for too long has lost its places', async () => {
    const store = await open()
    const [a, b] = [actor('a', store), actor('b', store, 100)]
    await a.acquire(first)
    await b.queue(first)
    await until('it is dead', async () => (await a.inspect(first)).waiting.length === 0)
    expect((await b.heartbeat()).fresh).toBe(true)
    expect((await b.heartbeat()).fresh).toBe(false)
    await store.close()
  })

  test('is refused with another number of shards than the namespace has', async () => {
    const namespace = randomUUID()
    const store = await open(namespace)
    await expect(open(namespace, 2)).rejects.toMatchObject({ code: 'INVALID' })
    await expect(open(namespace, 1)).rejects.toThrow('spread over 4 shards, not 1')
    const again = await open(namespace)
    await Promise.all([store.close(), again.close()])
  })
})

/** A namespace whose shards are not all in slots of the same node. */
async function namespaceOnSeveralNodes(): Promise<string> {
  const cluster = await sharedRedisCluster()
  for (;;) {
    const namespace = randomUUID()
    const keys = Array.from({ length: SHARDS }, (_, shard) => {
      return layoutOf(`${shard}/${SHARDS}/${namespace}`, 'holdfast:shards').key
    })
    const owners = await Promise.all(keys.map(async (key) => cluster.ownerOf(await cluster.slotOf(key))))
    if (new Set(owners).size > 1) return namespace
  }
}

describe('a manager on shards of a Cluster', () => {
  test('hands locks over in all of them', async () => {
    const [namespace, url] = [await namespaceOnSeveralNodes(), await clusterUrl()]
    const [one, two] = [0, 1].map(() => manager({ store: redisStore(url, { shards: SHARDS }), namespace }))
    if (one === undefined || two === undefined) throw new Error('there are two')
    const held = await Promise.all(places.map((place) => one.acquire(place, { agentId: 'one' })))
    const waits = places.map((place) => two.acquire(place, { agentId: 'two' }))
    await until('all wait', async () =>
      (await Promise.all(places.map((place) => one.getLockInfo(place)))).every((info) => info?.waiters === 1),
    )
    for (const lock of held) await lock.release()
    const got = await Promise.all(waits)
    expect(got.every(({ isHeld }) => isHeld)).toBe(true)
    for (const lock of got) await lock.release()
  })
})

describe('a request that spans shards', () => {
  test('fails alone, whatever else is asked for at the same time', async () => {
    const { url } = await sharedServer()
    const locks = manager({ store: redisStore(url, { shards: SHARDS }), namespace: randomUUID() })
    const asking = { agentId: 'a' }
    const [one, spanning, other] = await Promise.allSettled([
      locks.acquire(first, asking),
      locks.acquire([first, second], asking),
      locks.acquire(third, asking),
    ])
    expect([one.status, other.status]).toEqual(['fulfilled', 'fulfilled'])
    expect(spanning).toMatchObject({ status: 'rejected', reason: { code: 'INVALID' } })
  })
})

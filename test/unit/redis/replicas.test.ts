import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../../../src/core/errors.ts'
import { NotExecutedError } from '../../../src/core/store.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { Actor } from '../../../src/testing/actor.ts'
import { until } from '../../support/polling.ts'
import { RedisServer } from '../../support/redis-server.ts'

function actor(name: string, store: Actor['store']): Actor {
  return new Actor({ name, store, deadMs: 60_000, tell: () => {} })
}

async function open(primary: RedisServer, timeout: '1s' | '5s'): Promise<Actor['store']> {
  return redisStore(primary.url, { waitForReplicas: { count: 1, timeout } }).open(randomUUID())
}

async function withReplica(): Promise<readonly [primary: RedisServer, replica: RedisServer]> {
  const primary = await RedisServer.start()
  const replica = await RedisServer.start({ replicaOf: primary.port })
  await until('the replica follows', async () => (await replica.info('replication')).get('master_link_status') === 'up')
  return [primary, replica]
}

describe('waiting for replicas', () => {
  test('a grant is told once the replica has it', async () => {
    const [primary, replica] = await withReplica()
    const store = await open(primary, '5s')
    await actor('a', store).acquire('x:a')
    const [mine, theirs] = await Promise.all([primary, replica].map((server) => server.info('replication')))
    expect(theirs?.get('slave_repl_offset')).toBe(mine?.get('master_repl_offset'))
    await store.close()
  })

  test('a grant that no replica has confirmed is open, and told with the same answer when one has', async () => {
    const [primary, replica] = await withReplica()
    const store = await open(primary, '1s')
    const a = actor('a', store)
    await a.heartbeat()
    replica.freeze()
    const refused = await a.acquire('x:a').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StoreUnavailableError)
    expect(refused).not.toBeInstanceOf(NotExecutedError)
    expect(refused).toMatchObject({ message: expect.stringContaining('0 of 1 replicas') as string })
    replica.thaw()
    const answer = await a.repeat()
    expect(answer.outcomes).toMatchObject([{ type: 'granted' }])
    expect((await a.inspect('x:a')).leases).toMatchObject([{ agentId: 'a' }])
    await store.close()
  })

  test('what grants nothing does not wait', async () => {
    const [primary, replica] = await withReplica()
    const store = await open(primary, '1s')
    const [a, b] = [actor('a', store), actor('b', store)]
    const lock = await a.acquire('x:a')
    replica.freeze()
    await b.queue('x:a')
    await b.heartbeat()
    expect(await a.release(lock)).toMatchObject({ released: true })
    await expect(b.heartbeat()).rejects.toThrow('0 of 1 replicas')
    replica.thaw()
    await b.repeat()
    await store.close()
  })

  test('a pushed grant is not handed on: it only makes the session ask', async () => {
    const [primary] = await withReplica()
    const store = await open(primary, '5s')
    const [a, b] = [actor('a', store), actor('b', store)]
    let asked = 0
    await b.subscribe(() => (asked += 1))
    const lock = await a.acquire('x:a')
    const place = await b.queue('x:a')
    await a.release(lock)
    await until('the session is made to ask', () => asked > 0)
    expect(b.pushed).toEqual([])
    await b.granted(place)
    await store.close()
  })
})

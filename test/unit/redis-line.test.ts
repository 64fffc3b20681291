import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { layoutOf } from '../../src/stores/redis/layout.ts'
import { World } from '../../src/testing/index.ts'
import { RedisServer } from '../support/redis-server.ts'
import { openRedisTable } from '../support/redis-table.ts'

let server: RedisServer

beforeAll(async () => {
  server = await RedisServer.start()
})

const RESOURCE = 'file:src/a/b'
/** Longer than a silent session lives, so that a lease is longer once it is confirmed. */
const TWO_HOURS = { ttlMs: 7_200_000 }

/** A lease with two who wait for it. A third could join their line by the short way, and the holder hands over by it. */
async function line() {
  const namespace = randomUUID()
  const world = await World.open(async () => ({ connect: () => openRedisTable(server, namespace) }))
  onTestFinished(() => world.close())
  const [a, b, c] = world.sessions('a', 'b', 'c')
  const lock = await a.acquire(RESOURCE)
  const places = [await b.queue(RESOURCE, TWO_HOURS), await c.queue(RESOURCE)] as const
  // It hears that somebody waits for it, and says so.
  for (let beat = 0; beat < 2; beat += 1) await a.heartbeat()
  return { namespace, a, b, c, lock, places }
}

/** How many members each sorted set has that tells of requests. */
async function entries(namespace: string): Promise<Record<string, unknown>> {
  const { key } = layoutOf(namespace)
  const names = ['held', 'due', 'wanted', 'lines']
  const count = async (name: string) => [name, await server.command('ZCARD', key.replace(/rows$/u, name))] as const
  return Object.fromEntries(await Promise.all(names.map(count)))
}

/** How often the server has looked for a request in an index so far. */
async function looks(): Promise<number> {
  const calls = await server.calls()
  return (calls.get('zrangebylex') ?? 0) + (calls.get('zrevrangebylex') ?? 0)
}

describe('a plain line in Redis', () => {
  test('is joined, handed along and served to its end without a look at an index', async () => {
    const { namespace, a, b, c, lock, places } = await line()
    const before = await looks()
    const last = await a.queue(RESOURCE)
    await a.release(lock)
    await b.release(await b.granted(places[0]))
    const third = await c.granted(places[1])
    expect(await entries(namespace)).toMatchObject({ held: 1, due: 1, wanted: 1 })
    await c.release(third)
    await a.release(await a.granted(last))
    expect(await looks()).toBe(before)
    expect(await entries(namespace)).toEqual({ held: 0, due: 0, wanted: 0, lines: 0 })
    const { key } = layoutOf(namespace)
    const fields = (await server.command('HKEYS', key)) as string[]
    expect(fields.filter((field) => /^[rno]/u.test(field))).toEqual([])
  })

  test('is seen by who asks for a tree around it', async () => {
    const { a, b, lock } = await line()
    const around = async () => {
      const busy = await b.ask('file:src/**', { waitMs: 0 })
      const { waiting } = await b.inspect('file:src/**')
      return [busy.type === 'busy' && busy.ahead, waiting.length]
    }
    await a.queue(RESOURCE)
    expect(await around()).toEqual([3, 3])
    await a.release(lock)
    expect(await around()).toEqual([2, 2])
  })

  test('is not handed along to whoever does not own the lease', async () => {
    const { a, b, lock, places } = await line()
    expect(await a.release({ id: lock.id, token: places[0].token })).toMatchObject({ released: false })
    await b.waits(places[0])
    expect(await a.release(lock)).toMatchObject({ released: true })
  })

  test.each(['release', 'join'])('notices by a %s that the store posted something else meanwhile', async (how) => {
    const { a, b, lock, places } = await line()
    await a.release(lock)
    const [message] = (await b.heartbeat()).messages
    if (message?.type !== 'granted') throw new Error('nothing was granted')
    const received = [{ ...message, fence: message.fence + 1 }]
    const release = { type: 'release', ...places[0], expired: false } as const
    const step = how === 'release' ? release : b.asking(RESOURCE)
    expect(await b.send([step], { acked: message.number, received })).toMatchObject({ fresh: true })
  })

  test('confirms a lease whose holder joins the line again', async () => {
    const { a, b, lock, places } = await line()
    await a.queue(RESOURCE)
    await a.release(lock)
    const held = await b.granted(places[0])
    await b.queue(RESOURCE)
    const [lease] = (await b.inspect(RESOURCE)).leases
    expect(lease?.expiresAt).toBeGreaterThan(held.expiresAt)
    await b.release(held)
    expect((await b.inspect(RESOURCE)).waiting).toHaveLength(2)
  })
})

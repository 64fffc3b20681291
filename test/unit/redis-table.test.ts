import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Batch } from '../../src/core/store.ts'
import { layoutOf } from '../../src/stores/redis/layout.ts'
import { lockTable } from '../../src/stores/redis/script.ts'
import type { RedisStore } from '../../src/stores/redis/store.ts'
import { World } from '../../src/testing/index.ts'
import { RedisServer, type RedisServerOptions } from '../support/redis-server.ts'
import { drivenRedis, drivenTable, openRedisTable } from '../support/redis-table.ts'

let server: RedisServer

beforeAll(async () => {
  server = await RedisServer.start()
})

async function ownServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const own = await RedisServer.start(options)
  onTestFinished(() => own.stop())
  return own
}

/** A namespace of a server, with everything of it closed after the test. */
async function worldOn(on: RedisServer, namespace: string = randomUUID()): Promise<World> {
  const world = await World.open(async () => ({ connect: () => openRedisTable(on, namespace) }))
  onTestFinished(() => world.close())
  return world
}

async function openTable(on: RedisServer, namespace: string): Promise<RedisStore> {
  const store = await openRedisTable(on, namespace)
  onTestFinished(() => store.close())
  return store
}

const HEARTBEAT: Batch = {
  session: 'a'.repeat(22),
  number: 1,
  epoch: null,
  acked: 0,
  received: [],
  deadMs: 1000,
  floor: 0,
  answered: 0,
  lastId: 0,
  steps: [],
}

describe('a namespace in Redis', () => {
  test.each([
    ['a later layout', ['HSET', 'm', '\u0063rest'], /has the layout 99 of another version/],
    ['somebody else’s hash', ['HSET', 'm', '\u00e9t\u00e9'], /that Holdfast has not written/],
    ['somebody else’s list', ['RPUSH', 'x'], /that Holdfast has not written/],
  ])('is left alone where its key holds %s', async (_, [command = '', ...args], message) => {
    const namespace = randomUUID()
    const { key } = layoutOf(namespace)
    await server.command(command, key, ...args)
    const before = await server.command('DUMP', key)
    const store = await openTable(server, namespace)
    await expect(store.apply(HEARTBEAT)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(message),
    })
    expect(await server.command('DUMP', key)).toEqual(before)
    expect(await server.command('KEYS', `holdfast:{${namespace}}:*`)).toEqual([key])
  })

  test('begins anew without what is left where its rows were lost', async () => {
    const namespace = randomUUID()
    const world = await worldOn(server, namespace)
    const [a, b] = world.sessions('a', 'b')
    const lock = await a.acquire('file:x')
    await a.acquire('file:y', { mode: 'shared' })
    await b.queue('file:x')
    await server.command('DEL', layoutOf(namespace).key)
    const answer = await a.heartbeat()
    expect(answer).toMatchObject({ fresh: true, outcomes: null })
    expect(answer.epoch).not.toBe(a.epoch)
    a.epoch = answer.epoch
    b.epoch = null
    const again = await b.acquire('file:x')
    expect(again.fence).toBeGreaterThan(lock.fence)
    expect((await b.list()).leases).toHaveLength(1)
    expect((await b.events(`${answer.epoch}.0`)).events).toHaveLength(1)
  })

  test('is found under any name', async () => {
    const stores = await Promise.all(['a}b', 'a{b}', 'a', 'ä:b'].map((name) => openTable(server, name + randomUUID())))
    for (const store of stores) expect(await store.apply(HEARTBEAT)).toMatchObject({ fresh: true })
  })

  test('tells nobody who may list channels the secret of a session', async () => {
    const world = await worldOn(server)
    const [a] = world.sessions('a')
    await a.subscribe()
    const channels = JSON.stringify(await server.command('PUBSUB', 'CHANNELS', '*'))
    expect(channels).toContain('holdfast:')
    expect(channels).not.toContain(a.session)
  })

  test('has no key but those that a Cluster is told of', async () => {
    const namespace = randomUUID()
    const world = await worldOn(server, namespace)
    const [a, b] = world.sessions('a', 'b')
    const lock = await a.acquire('file:x/**', { mode: 'shared' })
    await b.queue('file:x')
    await a.release(lock)
    await a.queue('file:x')
    const keys = (await server.command('KEYS', `holdfast:{${namespace}}:*`)) as string[]
    expect(keys.length).toBeGreaterThan(6)
    expect(layoutOf(namespace).keys).toEqual(expect.arrayContaining(keys))
  })

  test('takes batches of any size', async () => {
    const world = await worldOn(server)
    const [a, b] = world.sessions('a', 'b')
    const ids = (request: number): string[] => Array.from({ length: 128 }, (_, index) => `file:${request}/${index}`)
    const steps = Array.from({ length: 40 }, (_, request) => a.asking(ids(request)))
    expect((await a.send(steps)).outcomes?.every(({ type }) => type === 'granted')).toBe(true)
    await b.queue(ids(7).slice(0, 3))
    const releases = steps.map(
      ({ token }, index) => ({ type: 'release', id: index + 1, token, expired: false }) as const,
    )
    expect((await a.send(releases)).outcomes).toHaveLength(40)
    expect((await b.heartbeat()).messages).toMatchObject([{ type: 'granted' }])
  })
})

describe('the lease clock', () => {
  test('goes on where it was, no faster and no slower, when the server’s clock is set back', async () => {
    const namespace = randomUUID()
    const clock = layoutOf(namespace).key.replace(/rows$/u, 'clock')
    const store = await openRedisTable(server, namespace, { table: drivenTable() })
    onTestFinished(() => store.close())
    const times: number[][] = []
    for (const [index, now] of [5000, 5100, 2000, 2100, 9000].entries()) {
      await server.command('SET', clock, `${now} ${now}`)
      const answer = await store.apply({ ...HEARTBEAT, number: index + 1 })
      times.push([answer.now, answer.wallNow])
    }
    expect(times).toEqual([
      [5000, 5000],
      [5100, 5100],
      [5100, 2000],
      [5200, 2100],
      [12_100, 9000],
    ])
  })
})

describe('the shortest way', () => {
  test('is not for a session that was silent for its dead time, however long that is', async () => {
    const world = await World.open(drivenRedis())
    onTestFinished(() => world.close())
    const a = world.session('a', { deadMs: 100_000 })
    const [other] = world.sessions('other')
    await a.acquire('file:x', { ttlMs: 110_000 })
    await world.advance(100_000)
    await other.heartbeat()
    await other.heartbeat()
    expect((await a.send([a.asking('file:y')])).fresh).toBe(true)
  })
})

describe('the library', () => {
  test('is loaded again when it was thrown away, by however many at once', async () => {
    const own = await ownServer()
    const world = await worldOn(own)
    const [a, b] = world.sessions('a', 'b')
    const lock = await a.acquire('file:x')
    await own.command('FUNCTION', 'FLUSH')
    const answers = await Promise.all([a.heartbeat(), b.heartbeat()])
    expect(answers.map(({ epoch }) => epoch)).toEqual([a.epoch, a.epoch])
    await own.command('FUNCTION', 'FLUSH')
    expect(await a.release(lock)).toMatchObject({ released: true })
    expect(await own.command('FUNCTION', 'LIST', 'LIBRARYNAME', lockTable().usual.name)).toHaveLength(1)
  })

  test.each(['-fcall', '-function|load'])(
    'gives way to scripts for a user with %s, also after a SCRIPT FLUSH',
    async (less) => {
      const own = await ownServer()
      await own.command('ACL', 'SETUSER', 'default', '+@all', less)
      const world = await worldOn(own)
      const [a] = world.sessions('a')
      const lock = await a.acquire('file:x')
      await own.command('SCRIPT', 'FLUSH')
      expect(await a.release(lock)).toMatchObject({ released: true })
      expect((await own.calls()).has('evalsha')).toBe(true)
    },
  )
})

describe.each(['libraries', 'scripts'])('where the memory is full, with %s', (kind) => {
  test('nothing is locked and no batch is half applied, but what is locked goes on and ends', async () => {
    const own = await ownServer()
    if (kind === 'scripts') await own.command('ACL', 'SETUSER', 'default', '+@all', '-fcall')
    const world = await worldOn(own)
    const [a, b] = world.sessions('a', 'b')
    const lock = await a.acquire('file:x')
    const place = await b.queue('file:x')
    await own.command('CONFIG', 'SET', 'maxmemory', '1')
    const refused = { code: 'UNAVAILABLE', message: expect.stringMatching(/memory is full/) as string }
    await expect(b.send([b.asking('file:y')])).rejects.toMatchObject(refused)
    await expect(b.send([b.asking('file:y'), b.asking('file:z')])).rejects.toMatchObject(refused)
    expect((await a.list()).leases).toHaveLength(1)
    expect(await a.extend(lock, 60_000)).toMatchObject({ type: 'extended' })
    await own.command('FUNCTION', 'FLUSH')
    await own.command('SCRIPT', 'FLUSH')
    expect(await a.release(lock)).toMatchObject({ released: true })
    await b.release(await b.granted(place))
    expect((await a.list()).leases).toEqual([])
    await own.command('CONFIG', 'SET', 'maxmemory', '0')
    await b.acquire('file:y')
  })
})

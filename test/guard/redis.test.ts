import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import { Redis as Valkey } from 'iovalkey'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis-5'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { guardedRedis, type RedisClient } from '../../src/guard/index.ts'
import { RedisServer } from '../support/redis-server.ts'

const EARLY = { fencingToken: 1_763_918_231_000_006 }
const LATE = { fencingToken: 1_763_918_231_000_007 }

let server: RedisServer
let redis: Redis
beforeAll(async () => {
  server = await RedisServer.start()
  redis = new Redis(server.url)
})
afterAll(() => redis.quit())
beforeEach(() => redis.flushall())

interface Opened {
  readonly client: RedisClient
  close(): Promise<unknown>
}

async function connected<Client extends { connect(): Promise<unknown>; close(): Promise<unknown> }>(
  client: Client & RedisClient,
): Promise<Opened> {
  await client.connect()
  return { client, close: () => client.close() }
}

const clients: Readonly<Record<string, (url: string) => Promise<Opened>>> = {
  'ioredis 6': async (url) => quitting(new Redis(url)),
  'ioredis 5': async (url) => quitting(new Redis5(url)),
  iovalkey: async (url) => quitting(new Valkey(url)),
  'redis 6': (url) => connected(createClient({ url })),
  'redis 5': (url) => connected(createClient5({ url })),
}

function quitting(client: RedisClient & { quit(): Promise<unknown> }): Opened {
  return { client, close: () => client.quit() }
}

describe.each(Object.entries(clients))('guardedRedis over %s', (_, open) => {
  test('guards strings, JSON and hashes', async () => {
    await redis.script('FLUSH')
    const opened = await open(server.url)
    const guard = guardedRedis(opened.client)
    expect(await guard.update(EARLY, 'a', (value) => `${value}`)).toBe('null')
    expect(await guard.update(EARLY, 'a', async (value) => `${value}!`)).toBe('null!')
    expect(await guard.updateJson<number[]>(EARLY, 'b', (list) => [...(list ?? []), 1])).toEqual([1])
    expect(await guard.updateJson<number[]>(LATE, 'b', (list) => [...(list ?? []), 2])).toEqual([1, 2])
    await redis.hset('c', { kept: '1', gone: '2', changed: '3' })
    const changed = await guard.updateHash(LATE, 'c', ({ gone: _gone, ...fields }) => ({ ...fields, changed: 'é' }))
    expect(changed).toEqual({ kept: '1', changed: 'é' })
    expect(await redis.hgetall('c')).toEqual({ kept: '1', changed: 'é' })
    await guard.write(LATE, 'a', 'blind')
    expect(await redis.mget('a', 'b')).toEqual(['blind', '[1,2]'])
    for (const refused of [
      () => guard.update(EARLY, 'a', () => 'x'),
      () => guard.updateJson(EARLY, 'b', () => 'x'),
      () => guard.updateHash(EARLY, 'c', () => ({ x: 'x' })),
      () => guard.write(EARLY, 'a', 'x'),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'FENCED_OUT' })
    }
    expect(await guard.fence('a')).toBe(LATE.fencingToken)
    await opened.close()
  })
})

describe('a guarded key', () => {
  test('takes no write with a lower token once a higher one has entered, even if that writes nothing', async () => {
    const guard = guardedRedis(redis)
    await redis.set('a', 'old')
    const failure = new Error('changed its mind')
    const early = guard.update(EARLY, 'a', async () => {
      await expect(guard.update(LATE, 'a', () => Promise.reject(failure))).rejects.toBe(failure)
      return 'early'
    })
    await expect(early).rejects.toThrow(`'a' is closed to this lock: a later holder has been there`)
    expect(await redis.get('a')).toBe('old')
  })

  test('keeps its fence when it is deleted, and its expiry when it is written', async () => {
    const guard = guardedRedis(redis)
    await redis.set('a', 'x', 'EX', 1_000)
    await redis.hset('b', 'x', '1')
    await redis.expire('b', 1_000)
    await guard.update(LATE, 'a', () => 'y')
    await guard.updateHash(LATE, 'b', (fields) => ({ ...fields, y: '2' }))
    expect(await redis.ttl('a')).toBeGreaterThan(900)
    expect(await redis.ttl('b')).toBeGreaterThan(900)
    expect(await redis.ttl('{a}:holdfast-fence')).toBe(-1)
    await redis.del('a')
    await expect(guard.write(EARLY, 'a', 'z')).rejects.toMatchObject({ code: 'FENCED_OUT' })
  })

  test('forgets its fence after a while where it is told to', async () => {
    const guard = guardedRedis(redis, { keepFence: '1h' })
    await guard.write(LATE, 'a', 'x')
    expect(await redis.pttl('{a}:holdfast-fence')).toBeGreaterThan(3_500_000)
    await redis.persist('{a}:holdfast-fence')
    await guard.resetFence('a', 7)
    expect(await redis.pttl('{a}:holdfast-fence')).toBeGreaterThan(3_500_000)
  })

  test('refuses a write whose entry it no longer knows', async () => {
    const guard = guardedRedis(redis)
    const update = guard.update(LATE, 'a', async () => {
      await redis.flushall()
      return 'x'
    })
    await expect(update).rejects.toThrow(/was reset, or lost its data/)
    expect(await redis.exists('a')).toBe(0)
  })

  test('can be set back by an administrator', async () => {
    const guard = guardedRedis(redis)
    expect(await guard.fence('a')).toBe(0)
    await guard.write({ fencingToken: Number.MAX_SAFE_INTEGER }, 'a', 'beyond')
    expect(await guard.resetFence('a', LATE.fencingToken)).toBe(Number.MAX_SAFE_INTEGER)
    await expect(guard.write(EARLY, 'a', 'x')).rejects.toMatchObject({ code: 'FENCED_OUT' })
    await guard.write(LATE, 'a', 'x')
    expect(await guard.resetFence('a')).toBe(LATE.fencingToken)
    expect(await guard.fence('a')).toBe(0)
  })

  test('may have many fields, and fields of any name', async () => {
    const guard = guardedRedis(redis)
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`field ${at}`, `${at}`]))
    const odd = Object.fromEntries([
      ['__proto__', 'p'],
      ['', 'empty'],
      ['toString', 't'],
    ])
    await guard.updateHash(EARLY, 'a', () => ({ ...many, ...odd }))
    expect(await redis.hlen('a')).toBe(20_003)
    await guard.updateHash(EARLY, 'a', (fields) => {
      expect(Object.hasOwn(fields, '__proto__')).toBe(true)
      return odd
    })
    expect(await redis.hlen('a')).toBe(3)
    expect(await guard.updateHash(EARLY, 'a', () => ({}))).toEqual({})
    expect(await redis.exists('a')).toBe(0)
  })

  test('is written only if the callback returns what fits', async () => {
    const guard = guardedRedis(redis)
    const nothing = (): never => undefined as never
    for (const refused of [
      () => guard.update(EARLY, 'a', nothing),
      () => guard.updateJson(EARLY, 'a', nothing),
      () => guard.updateHash(EARLY, 'a', nothing),
      () => guard.updateHash(EARLY, 'a', () => ({ n: 1 as unknown as string })),
      () => guard.write({ ...EARLY, mode: 'shared' }, 'a', 'x'),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'INVALID' })
    }
    expect(await redis.exists('a')).toBe(0)
    await redis.lpush('list', 'x')
    await expect(guard.update(LATE, 'list', () => 'x')).rejects.toThrow(/WRONGTYPE/)
    expect(await redis.lrange('list', 0, -1)).toEqual(['x'])
  })

  test.each([
    ['order:42', '{order:42}:holdfast-fence'],
    ['{order:42}:lines', '{order:42}:lines:holdfast-fence'],
    ['a{b}c{d}', 'a{b}c{d}:holdfast-fence'],
    ['open{brace', '{open{brace}:holdfast-fence'],
    ['é ü', '{é ü}:holdfast-fence'],
  ])('%s keeps its fence in %s', async (key, fence) => {
    await guardedRedis(redis).write(EARLY, key, 'x')
    expect((await redis.keys('*')).toSorted()).toEqual([key, fence].toSorted())
  })

  test.each(['a}b', '{}a', 'a{}b', '}', '{}{b}', ''])('%s is refused, for want of such a key', async (key) => {
    await expect(guardedRedis(redis).write(EARLY, key, 'x')).rejects.toMatchObject({ code: 'INVALID' })
  })
})

test('guardedRedis refuses other clients and unknown options', () => {
  expect(() => guardedRedis({} as RedisClient)).toThrow(/no Redis client/)
  expect(() => guardedRedis(redis, { keep: 1 } as object)).toThrow(/'keep' is not an option/)
  expect(() => guardedRedis(redis, { keepFence: 5 as unknown as '5s' })).toThrow(/keepFence/)
})

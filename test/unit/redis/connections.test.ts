import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../../../src/core/errors.ts'
import { NotExecutedError } from '../../../src/core/store.ts'
import { ClientLink } from '../../../src/stores/redis/client-link.ts'
import { clientFor } from '../../../src/stores/redis/connect.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { parseRedisUrl } from '../../../src/stores/redis/url.ts'
import { Actor } from '../../../src/testing/actor.ts'
import { until } from '../../support/polling.ts'
import { RedisProxy } from '../../support/redis-proxy.ts'
import { PRIMARY_NAME, RedisSentinels } from '../../support/redis-sentinel.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { sharedServer } from '../../support/redis-table.ts'
import { makeTlsFiles } from '../../support/redis-tls.ts'

const KEY = 'k'

async function linkTo(url: string): Promise<ClientLink> {
  const link = new ClientLink(await clientFor(parseRedisUrl(url), undefined))
  await link.connect()
  return link
}

/** What a command rejects with, and nothing if it does not. */
async function failureOf(command: Promise<unknown>): Promise<unknown> {
  return command.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a command', () => {
  test('is not executed where there is no connection', async () => {
    const proxy = await RedisProxy.start((await sharedServer()).port)
    const link = await linkTo(proxy.url)
    proxy.cut()
    // The first one may be on its way when the client notices.
    await failureOf(link.call(KEY, 'TIME', []))
    expect(await failureOf(link.call(KEY, 'TIME', []))).toBeInstanceOf(NotExecutedError)
    await link.close()
  })

  test('waits for a connection that comes back soon', async () => {
    const proxy = await RedisProxy.start((await sharedServer()).port)
    const link = await linkTo(proxy.url)
    proxy.cut()
    await failureOf(link.call(KEY, 'TIME', []))
    const answer = link.call(KEY, 'TIME', [])
    proxy.heal()
    expect(await answer).toHaveLength(2)
    await link.close()
  })

  test('is open where the connection was lost before its answer, and is not sent again by the client', async () => {
    const server = await sharedServer()
    const proxy = await RedisProxy.start(server.port)
    const link = await linkTo(proxy.url)
    const key = randomUUID()
    const lost = proxy.loseReplyTo('ZADD')
    const failure = await failureOf(link.call(key, 'ZADD', [key, 'INCR', '1', 'm']))
    await lost
    expect(failure).toBeInstanceOf(StoreUnavailableError)
    expect(failure).not.toBeInstanceOf(NotExecutedError)
    await link.call(KEY, 'TIME', [])
    expect(await server.command('ZSCORE', key, 'm')).toBe('1')
    await link.close()
  })

  test('is open where no answer comes in time, and the next one goes over another connection', async () => {
    const proxy = await RedisProxy.start((await sharedServer()).port)
    const link = await linkTo(proxy.url)
    proxy.swallow('replies')
    const failure = await failureOf(link.call(KEY, 'TIME', []))
    expect(failure).toBeInstanceOf(StoreUnavailableError)
    expect(failure).not.toBeInstanceOf(NotExecutedError)
    proxy.heal()
    expect(await link.call(KEY, 'TIME', [])).toHaveLength(2)
    await link.close()
  })

  test('is sent again while the server refuses it for a passing reason', async () => {
    const [server, other] = await Promise.all([RedisServer.start(), sharedServer()])
    const link = await linkTo(server.url)
    await server.command('REPLICAOF', '127.0.0.1', other.port)
    const answer = link.call(KEY, 'SET', [KEY, '1'])
    await until('it was refused', async () => (await server.info('errorstats')).has('errorstat_READONLY'))
    await server.command('REPLICAOF', 'NO', 'ONE')
    expect(await answer).toBe('OK')
    await link.close()
  })

  test('that the server refuses for good is not executed, and says why', async () => {
    const link = await linkTo((await sharedServer()).url)
    const failure = await failureOf(link.call(KEY, 'NONSENSE', []))
    expect(failure).toBeInstanceOf(NotExecutedError)
    expect(failure).toMatchObject({ message: expect.stringContaining('unknown command') as string })
    await link.close()
  })

  test('of a closed link is not executed', async () => {
    const link = await linkTo((await sharedServer()).url)
    await link.close()
    expect(await failureOf(link.call(KEY, 'TIME', []))).toBeInstanceOf(NotExecutedError)
  })
})

describe('a subscription', () => {
  test('is confirmed or fails: over a connection that is silent it is not said to stand', async () => {
    const proxy = await RedisProxy.start((await sharedServer()).port)
    const link = await linkTo(proxy.url)
    proxy.swallow('replies')
    const handler = { onText: () => {}, onInterruption: () => {} }
    expect(await failureOf(link.subscribe(KEY, 'c', handler))).toBeInstanceOf(StoreUnavailableError)
    proxy.heal()
    const subscription = await link.subscribe(KEY, 'c', handler)
    await subscription.close()
    await link.close()
  })
})

describe('a URL', () => {
  const lock = async (url: string, options: Parameters<typeof redisStore>[1] = {}): Promise<void> => {
    const store = await redisStore(url, options).open(randomUUID())
    const a = new Actor({ name: 'a', store, deadMs: 60_000, tell: () => {} })
    await a.subscribe()
    await a.acquire('x:a')
    await store.close()
  }

  test('with rediss: speaks TLS, and refuses a certificate that nobody vouches for', async () => {
    const files = makeTlsFiles()
    await using server = await RedisServer.start({ tls: files, password: 'p/w@' })
    await expect(lock(server.url)).rejects.toThrow(/certificate/)
    await expect(lock(server.url, { tls: { ca: files.ca } })).resolves.toBeUndefined()
  })

  test('with sentinel= leads to the primary', async () => {
    const sentinels = await RedisSentinels.start(1)
    const hosts = sentinels.addresses.map(({ port }) => `127.0.0.1:${port}`).join(',')
    await expect(lock(`redis://${hosts}?sentinel=${PRIMARY_NAME}`)).resolves.toBeUndefined()
    await expect(lock(`redis://${hosts}?sentinel=nobody`)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  }, 40_000)

  test('with a database uses it', async () => {
    const server = await sharedServer()
    await expect(lock(`${server.url}/7`)).resolves.toBeUndefined()
    expect((await server.info('keyspace')).get('db7')).toContain('keys=')
  })
})

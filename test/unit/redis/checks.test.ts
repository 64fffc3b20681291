import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CHANNEL_COMMANDS, KEY_COMMANDS, OTHER_COMMANDS } from '../../../src/stores/redis/checks.ts'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/index.ts'
import { Actor } from '../../../src/testing/actor.ts'
import { documentedRules } from '../../support/redis-acl.ts'
import { clusterUrl, sharedRedisCluster } from '../../support/redis-clients.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { sharedServer } from '../../support/redis-table.ts'
import { listening, type Piece, TcpProxy } from '../../support/tcp-proxy.ts'

async function open(url: string, options: RedisStoreOptions = {}): Promise<Actor['store']> {
  return redisStore(url, options).open(randomUUID())
}

/** A user of the server with these rules, and the URL that lets it in. */
async function urlAs(server: RedisServer, rules: readonly string[]): Promise<string> {
  const name = `u${randomUUID().slice(0, 8)}`
  await server.command('ACL', 'SETUSER', name, 'on', '>pw', ...rules)
  return server.url.replace('redis://', `redis://${name}:pw@`)
}

const OLD_VERSION = '6.2.14'

/** Before a server that says then that it is old: its real version has as many characters. */
class AgeingProxy extends TcpProxy {
  static override async start(targetPort: number): Promise<AgeingProxy> {
    return new AgeingProxy(await listening(), targetPort)
  }

  protected override cutter(): (chunk: Buffer) => readonly Piece[] {
    return (chunk) => {
      const said = chunk.toString('latin1').replace(/(redis_version:)[\d.]+/u, `$1${OLD_VERSION}`)
      return [{ raw: Buffer.from(said, 'latin1') }]
    }
  }
}

describe('opening a store on Redis', () => {
  test('refuses a server that throws keys away', async () => {
    await using server = await RedisServer.start({ maxmemoryPolicy: 'allkeys-lru' })
    await expect(open(server.url)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('maxmemory-policy allkeys-lru') as string,
    })
  })

  test('accepts a server that throws away what has a time to live', async () => {
    await using server = await RedisServer.start({ maxmemoryPolicy: 'volatile-lru' })
    const store = await open(server.url)
    expect(store.name).toBe(`${server.url}/0`)
    await store.close()
  })

  test('refuses a replica', async () => {
    const primary = await sharedServer()
    await using replica = await RedisServer.start({ replicaOf: primary.port })
    await expect(open(replica.url)).rejects.toThrow('is a replica')
  })

  test('refuses a Cluster that does not cover all slots', async () => {
    await using server = await RedisServer.start({
      config: ['cluster-enabled yes', 'cluster-require-full-coverage yes'],
    })
    await server.command('CLUSTER', 'ADDSLOTSRANGE', 0, 100)
    await expect(open(`${server.url}?cluster=true`)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('refuses a node of a Cluster that was named as a server of its own', async () => {
    const { servers } = await sharedRedisCluster()
    await expect(open(servers[0]?.url ?? '')).rejects.toThrow('?cluster=true')
  })

  test('refuses a server that is too old', async () => {
    await using server = await RedisServer.start()
    await using old = await AgeingProxy.start(server.port)
    await expect(open(server.urlAt(old.port))).rejects.toThrow(`has version ${OLD_VERSION}, older than 7.0`)
  })

  test('says that nothing runs there, at once', async () => {
    const server = await RedisServer.start()
    await server.stop()
    await expect(open(server.url)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    })
  })

  test('says that the password is wrong, and does not tell it', async () => {
    await using server = await RedisServer.start({ password: 'right' })
    const opening = open(server.url.replace('right', 'wr0ng'))
    await expect(opening).rejects.toThrow('WRONGPASS')
    await expect(opening).rejects.not.toThrow('wr0ng')
  })

  test('says that a password is needed', async () => {
    await using server = await RedisServer.start({ password: 'right' })
    await expect(open(server.url.replace(':right@', ''))).rejects.toThrow('NOAUTH')
  })
})

describe('the permissions in the documentation', () => {
  const rules = documentedRules()

  test('are those that are checked', () => {
    const known = [...KEY_COMMANDS, ...CHANNEL_COMMANDS.single, ...OTHER_COMMANDS].map((each) => each.toLowerCase())
    const documented = rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1))
    expect(documented.toSorted()).toEqual([...known, 'fcall', 'function|load'].toSorted())
  })

  test.each([...KEY_COMMANDS, ...CHANNEL_COMMANDS.single, ...OTHER_COMMANDS].filter((each) => each !== 'EVAL'))(
    'are all needed: without %s the store does not open, and says so',
    async (command) => {
      const url = await urlAs(await sharedServer(), [...rules, `-${command.toLowerCase()}`])
      await expect(open(url)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(
          new RegExp(`needs: ${command}\\. .*\\+${command.toLowerCase()} `, 'u'),
        ) as string,
      })
    },
  )

  test.each([
    ['the command eval', ['-eval'], /eval/],
    ['the keys', ['resetkeys', '~other:*'], /key/],
    ['the channels', ['resetchannels', '&other:*'], /PUBLISH, SUBSCRIBE/],
  ])('are all needed: without %s it does not open either', async (_, taken, said) => {
    const url = await urlAs(await sharedServer(), [...rules, ...taken])
    await expect(open(url)).rejects.toThrow(said)
  })

  test('are enough without libraries', async () => {
    const url = await urlAs(await sharedServer(), [...rules, '-fcall', '-function|load'])
    const store = await open(url)
    const a = new Actor({ name: 'a', store, deadMs: 60_000, tell: () => {} })
    expect(await a.attempt('x:a')).toBeDefined()
    await store.close()
  })

  test('are enough in a Cluster, with what is said of it', async () => {
    const { servers } = await sharedRedisCluster()
    const inCluster = [
      '+spublish',
      '+ssubscribe',
      '+sunsubscribe',
      '+cluster|slots',
      '+cluster|shards',
      '+cluster|info',
      '+asking',
    ]
    const all = [...rules, '-publish', '-subscribe', '-unsubscribe', ...inCluster]
    for (const server of servers) await server.command('ACL', 'SETUSER', 'least', 'on', '>pw', ...all)
    const store = await open((await clusterUrl()).replace('redis://', 'redis://least:pw@'))
    const waiter = new Actor({ name: 'a', store, deadMs: 60_000, tell: () => {} })
    await waiter.subscribe()
    expect(await waiter.attempt('x:a')).toBeDefined()
    await store.close()
  })
})

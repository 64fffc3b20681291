import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import { Redis as Valkey } from 'iovalkey'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis-5'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RedisClient } from '../../src/stores/redis/index.ts'
import { LockLoad } from '../support/lock-load.ts'
import { inLine, lossOf, ownServer, redisLocks, servedInAnyOrder, servedInOrder } from '../support/redis-locks.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
const PATIENT = { heartbeat: '2s' } as const

type Locks = ReturnType<typeof redisLocks>
type MakeClient = (server: RedisServer) => RedisClient | Promise<RedisClient>

const registers = await RedisServer.start()

/** Closed after the managers over it. What it says of lost connections is what the tests are about. */
function closedLater<C extends { on(event: 'error', listener: () => void): unknown }>(client: C, close: () => void): C {
  client.on('error', () => {})
  onTestFinished(close)
  return client
}

/** Connected clients as their users make them, with whatever options are usual. */
const FAMILIES: readonly (readonly [string, MakeClient])[] = [
  [
    'ioredis 6',
    ({ port }) => {
      const client = new Redis(port)
      return closedLater(client, () => client.disconnect())
    },
  ],
  [
    'ioredis 5',
    ({ port }) => {
      const client = new Redis5(port)
      return closedLater(client, () => client.disconnect())
    },
  ],
  [
    'iovalkey',
    ({ port }) => {
      const client = new Valkey(port)
      return closedLater(client, () => client.disconnect())
    },
  ],
  [
    'node-redis 6',
    ({ url }) => {
      const client = createClient({ url })
      return closedLater(client, () => client.destroy()).connect()
    },
  ],
  [
    'node-redis 5',
    ({ url }) => {
      const client = createClient5({ url })
      return closedLater(client, () => client.destroy()).connect()
    },
  ],
]

describe.each(FAMILIES)("a user's own client of %s", (family, makeClient) => {
  async function locksOn(server: RedisServer, options: Parameters<typeof redisLocks>[1] = {}): Promise<Locks> {
    const locks = redisLocks(await makeClient(server), options)
    await (await locks.acquire('r:warm', { agentId: 'warm' })).release()
    return locks
  }

  function killConnections(server: RedisServer): Promise<unknown> {
    const kill = (type: string): Promise<unknown> => server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
    return Promise.all([kill('normal'), kill('pubsub')])
  }

  /**
   * node-redis 5 can lose its connection for good where a server dies while it shakes hands with it (mended in 6.2), so
   * its server loses the data and the connections, and lives.
   */
  async function loseData(server: RedisServer): Promise<void> {
    if (family !== 'node-redis 5') {
      await server.kill()
      return server.restart()
    }
    await server.command('FLUSHALL')
    await killConnections(server)
  }

  test('loses its connections, and nobody loses a lock or a place', { timeout: 30_000 }, async () => {
    const server = await ownServer()
    const [a, b, c] = [await locksOn(server, PATIENT), await locksOn(server, PATIENT), await locksOn(server, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await killConnections(server)
    expect(await held.release()).toBe(true)
    const fences = await servedInOrder(waits)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
    expect(fences[0]).toBeGreaterThan(held.fencingToken)
  })

  test('loses its connections under load, and no write is lost', { timeout: 60_000 }, async () => {
    const server = await ownServer()
    const load = await LockLoad.start([await locksOn(server, PATIENT), await locksOn(server, PATIENT)], registers.port)
    for (let round = 0; round < 5; round += 1) {
      await load.turns(2)
      await killConnections(server)
    }
    await load.turns(2)
    expect(await load.stop()).toMatchObject({ problems: [], losses: 0 })
  })

  test('finds its server without data, and all are told and served', { timeout: 30_000 }, async () => {
    const server = await ownServer()
    const [a, b, c] = [await locksOn(server), await locksOn(server), await locksOn(server)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await loseData(server)
    expect(await lossOf(held)).toMatchObject({ loss: { kind: 'epoch' } })
    const fences = await servedInAnyOrder(waits)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
    expect(fences[0]).toBeGreaterThan(held.fencingToken)
  })
})

import { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { LockLoad } from '../support/lock-load.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { postgresLocks, standingInLine } from '../support/postgres-locks.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { RedisServer } from '../support/redis-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

/** Longer than any of these tests: whoever waited for such a lease to run out would not be done in time. */
const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
/** Nobody is taken for dead while the server is away for a moment. */
const PATIENT = { heartbeat: '2s' } as const
const ROUNDS = 3

const [server, registers] = await Promise.all([PostgresServer.start(), RedisServer.start()])
const bouncer = await PgBouncer.start(server.port)
afterAll(async () => {
  await bouncer.dispose()
  await server.dispose()
})

const afterwards: (() => unknown)[] = []
afterEach(async () => {
  for (const undo of afterwards.splice(0).toReversed()) await undo()
})

type Make = (options?: Omit<ManagerOptions, 'store'>) => ResourceLockManager

/** The ways to the server, each with connections of its own for each manager. */
const ways: Readonly<Record<string, Make>> = {
  'a URL': (options) => postgresLocks(server.url(), options),
  'a pool of pg': (options) => {
    const pool = new Pool({ connectionString: server.url(), max: 3 })
    afterwards.push(() => pool.end())
    return postgresLocks(pool, options)
  },
  'a client of postgres': (options) => {
    const sql = postgres(server.url(), { max: 3, onnotice: () => undefined })
    afterwards.push(() => sql.end({ timeout: 0 }))
    return postgresLocks(sql, options)
  },
  'a pooler, without notifications': (options) =>
    postgresLocks(bouncer.url(), { ...options, store: { listen: false } }),
  'a pooler, with notifications around it': (options) =>
    postgresLocks(bouncer.url(), { ...options, store: { listen: server.url() } }),
}

async function terminate(where: string): Promise<number> {
  const ended = await server.run(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND ${where}`,
  )
  return ended.length
}

describe.each(Object.entries(ways))('over %s', (_, make) => {
  test('a restart of the server leaves leases and lines as they were', { timeout: 30_000 }, async () => {
    const [a, b, c] = [make(PATIENT), make(PATIENT), make(PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const first = await standingInLine(b, 'r:x', 1)
    const second = await standingInLine(c, 'r:x', 2)
    await server.restart()
    held.assertHeld()
    expect(await held.release()).toBe(true)
    const next = await first()
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    await next.release()
    expect((await second()).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('restarts under load lose no write and leave nobody behind', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([make(), make(), make()], registers.port)
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.turns(3)
      await server.restart()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })

  test('connections that are terminated under load lose no write', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([make(), make(), make()], registers.port)
    let ended = 0
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      await load.turns(2)
      // In turns those that listen, those that work, and all of them.
      const which = ["query LIKE 'LISTEN%' OR query LIKE 'listen%'", "state = 'active'", 'true'][round % 3] ?? ''
      ended += await terminate(`(${which})`)
    }
    await load.turns(3)
    expect(ended).toBeGreaterThan(0)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

test('connections that go silent under load are replaced, and nobody is left behind', { timeout: 90_000 }, async () => {
  const proxy = await TcpProxy.start(server.port)
  afterwards.push(() => proxy.stop())
  const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`
  const load = await LockLoad.start([postgresLocks(url), postgresLocks(url)], registers.port)
  await load.turns(3)
  proxy.silence()
  await load.turns(3)
  expect(await load.stop()).toMatchObject({ problems: [] })
})

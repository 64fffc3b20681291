import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { inLine, lossOf, ownServer, redisLocks, servedInAnyOrder, servedInOrder } from '../support/redis-locks.ts'
import { RedisServer } from '../support/redis-server.ts'

/** Longer than any of these tests: whoever waited for such a lease to run out would not be done in time. */
const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
/** Nobody is taken for dead while the server is away for a moment. */
const PATIENT = { heartbeat: '2s' } as const
const ROUNDS = 3

const registers = await RedisServer.start()

function durable(): Promise<RedisServer> {
  return ownServer({ appendFsync: 'always' })
}

describe('a server that is killed, and has written everything down', () => {
  test('comes back with its leases and its lines', { timeout: 30_000 }, async () => {
    const server = await durable()
    const [a, b, c] = [
      redisLocks(server.url, PATIENT),
      redisLocks(server.url, PATIENT),
      redisLocks(server.url, PATIENT),
    ]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await server.kill()
    await server.restart()
    expect(await c.getOwner('r:x')).toBe('a')
    held.assertHeld()
    expect(await held.release()).toBe(true)
    const [first, second] = await servedInOrder(waits)
    expect(first).toBeGreaterThan(held.fencingToken)
    expect(second).toBeGreaterThan(first ?? 0)
  })

  test('finishes what was asked while it was away', { timeout: 30_000 }, async () => {
    const server = await durable()
    const [a, b] = [redisLocks(server.url, PATIENT), redisLocks(server.url, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    await server.kill()
    const released = held.release()
    const extra = b.acquire('r:y', { agentId: 'b' })
    await server.restart()
    expect(await released).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
    await expect(extra).resolves.toMatchObject({ isHeld: true })
  })

  test('again and again under load, loses no write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const server = await durable()
    const load = await LockLoad.start(
      [1, 2, 3].map(() => redisLocks(server.url)),
      registers.port,
    )
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.turns(3)
      await server.kill()
      await server.restart()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

test('a server that is shut down and started again keeps leases and lines', { timeout: 30_000 }, async () => {
  const server = await durable()
  const [a, b] = [redisLocks(server.url, PATIENT), redisLocks(server.url, PATIENT)]
  const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
  const [wait] = await inLine([b], 'r:x', LONG)
  await server.shutDown()
  await server.restart()
  await held.extend('1h')
  expect(await held.release()).toBe(true)
  expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
})

describe('a server that is killed, and has written nothing down', () => {
  test('tells the holders, and serves those who waited', { timeout: 30_000 }, async () => {
    const server = await ownServer()
    const [a, b, c, d] = [
      redisLocks(server.url),
      redisLocks(server.url),
      redisLocks(server.url),
      redisLocks(server.url),
    ]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const alone = await d.acquire('r:alone', { agentId: 'd', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await server.kill()
    await server.restart()
    expect(await lossOf(held)).toMatchObject({ code: 'LOST', loss: { kind: 'epoch' } })
    expect(await lossOf(alone)).toMatchObject({ code: 'LOST', loss: { kind: 'epoch' } })
    expect(await held.release()).toBe(false)
    const [first, second] = await servedInAnyOrder(waits)
    expect(first).toBeGreaterThan(held.fencingToken)
    expect(second).toBeGreaterThan(first ?? 0)
  })

  test('again and again under load, lets no loser write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const server = await ownServer()
    const load = await LockLoad.start(
      [1, 2, 3].map(() => redisLocks(server.url)),
      registers.port,
      true,
    )
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.turns(3)
      await server.kill()
      await server.restart()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('FLUSHALL', () => {
  test('is told to every holder, and fencing tokens keep rising', { timeout: 30_000 }, async () => {
    const server = await ownServer()
    const [a, b, c] = [redisLocks(server.url), redisLocks(server.url), redisLocks(server.url)]
    const held = await a.acquire(['r:x', { resourceId: 'r:y', mode: 'shared' }], { agentId: 'a', ...LONG })
    const kept = await c.acquire('r:tree/**', { agentId: 'c', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    await server.command('FLUSHALL')
    for (const lock of [held, kept]) expect(await lossOf(lock)).toMatchObject({ loss: { kind: 'epoch' } })
    const next = await wait
    expect(next?.fencingToken).toBeGreaterThan(kept.fencingToken)
    expect(await held.release()).toBe(false)
    expect(await a.getOwner('r:x')).toBe('waiter-0')
    const again = await c.acquire('r:tree/**', { agentId: 'c' })
    expect(again.fencingToken).toBeGreaterThan(next?.fencingToken ?? Infinity)
  })

  test('under load lets no loser write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const server = await ownServer()
    const load = await LockLoad.start(
      [1, 2, 3].map(() => redisLocks(server.url)),
      registers.port,
      true,
    )
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      await load.turns(3)
      await server.command('FLUSHALL')
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe.each(['SCRIPT', 'FUNCTION'] as const)('%s FLUSH', (kind) => {
  test('in the middle of holding and waiting is not noticed', { timeout: 30_000 }, async () => {
    const server = await ownServer()
    const [a, b, c] = [
      redisLocks(server.url, PATIENT),
      redisLocks(server.url, PATIENT),
      redisLocks(server.url, PATIENT),
    ]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await server.command(kind, 'FLUSH')
    expect(await held.release()).toBe(true)
    const [first, second] = await servedInOrder(waits)
    expect(first).toBeGreaterThan(held.fencingToken)
    expect(second).toBeGreaterThan(first ?? 0)
  })

  test('under load costs nobody anything', { timeout: 60_000 }, async () => {
    const server = await ownServer()
    const managers = [redisLocks(server.url, PATIENT), redisLocks(server.url, PATIENT)]
    const load = await LockLoad.start(managers, registers.port)
    for (let round = 0; round < 10; round += 1) {
      await load.turns(2)
      await server.command(kind, 'FLUSH', round % 2 === 0 ? 'SYNC' : 'ASYNC')
    }
    await load.turns(3)
    expect(await load.stop()).toEqual({ problems: [], losses: 0, outages: 0 })
  })
})

describe('a server that comes back as it was some time ago', () => {
  /** Goes on after this call as if nothing had happened since the other one. */
  function remember(server: RedisServer): () => Promise<void> {
    const [log, copy] = [join(server.folder, 'appendonlydir'), join(server.folder, 'copy')]
    cpSync(log, copy, { recursive: true })
    return async () => {
      await server.kill()
      rmSync(log, { recursive: true })
      cpSync(copy, log, { recursive: true })
      await server.restart()
    }
  }

  test('tells whoever holds what it has forgotten, and keeps what it still knows', { timeout: 30_000 }, async () => {
    const server = await durable()
    const [a, b, c] = [redisLocks(server.url), redisLocks(server.url), redisLocks(server.url)]
    const old = await a.acquire('r:old', { agentId: 'a', ...LONG })
    const goBack = remember(server)
    const late = await a.acquire('r:late', { agentId: 'a', ...LONG })
    const stranger = await b.acquire('r:stranger', { agentId: 'b', ...LONG })
    await goBack()
    expect((await lossOf(late)).code).toBe('LOST')
    expect((await lossOf(stranger)).code).toBe('LOST')
    const next = await c.acquire('r:late', { agentId: 'c', ...LONG })
    expect(next.fencingToken).toBeGreaterThan(late.fencingToken)
    const other = await c.acquire('r:stranger', { agentId: 'c', ...LONG })
    expect(other.fencingToken).toBeGreaterThan(stranger.fencingToken)
    old.assertHeld()
    expect(await c.getOwner('r:old')).toBe('a')
    expect(await old.release()).toBe(true)
  })

  test('serves those who joined the line since, and those who were in it before', { timeout: 30_000 }, async () => {
    const server = await durable()
    const [a, b, c] = [redisLocks(server.url), redisLocks(server.url), redisLocks(server.url)]
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '3s' })
    const [before] = await inLine([b], 'r:x', LONG)
    const goBack = remember(server)
    const since = c.acquire('r:x', { agentId: 'c', ...LONG })
    await until('two wait', async () => (await a.getLockInfo('r:x'))?.waiters === 2)
    await goBack()
    const fences = await servedInAnyOrder([before, since].flatMap((wait) => (wait === undefined ? [] : [wait])))
    expect(fences).toHaveLength(2)
    for (const fence of fences) expect(fence).toBeGreaterThan(held.fencingToken)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
  })

  test('does not keep a lock for ever that was released since', { timeout: 30_000 }, async () => {
    const server = await durable()
    const [a, b] = [redisLocks(server.url), redisLocks(server.url)]
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '2s' })
    const goBack = remember(server)
    expect(await held.release()).toBe(true)
    const next = await b.acquire('r:x', { agentId: 'b', ...LONG })
    await goBack()
    expect((await lossOf(next)).code).toBe('LOST')
    const again = await b.acquire('r:x', { agentId: 'b', ...LONG })
    expect(again.fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('under load lets no loser write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const server = await durable()
    const load = await LockLoad.start(
      [1, 2, 3].map(() => redisLocks(server.url)),
      registers.port,
      true,
    )
    await load.turns(3)
    const goBack = remember(server)
    await load.turns(5)
    await goBack()
    await load.turns(5)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

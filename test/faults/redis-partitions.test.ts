import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ResourceLockManager } from '../../src/open.ts'
import { GuardedRegister } from '../support/guarded-register.ts'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { inLine, lossOf, presentNamespace, redisLocks, servedInOrder } from '../support/redis-locks.ts'
import { RedisProxy } from '../support/redis-proxy.ts'
import { RedisServer } from '../support/redis-server.ts'
import type { Direction } from '../support/tcp-proxy.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
const SHORT = { timeout: '600ms', waitTimeout: 'forever' } as const
const PATIENT = { heartbeat: '2s' } as const

const server = await RedisServer.start()
let proxy: RedisProxy
/** Somebody who is on the server's side of whatever happens. */
let near: ResourceLockManager
beforeEach(async () => {
  proxy = await RedisProxy.start(server.port)
  onTestFinished(() => proxy.stop())
  near = redisLocks(server.url)
})

const PARTITIONS: readonly (readonly [string, () => void])[] = [
  ['that refuses every connection', () => proxy.cut()],
  ...([['requests', 'replies'], ['requests'], ['replies']] as const).map(
    (directions: readonly Direction[]) =>
      [`in which ${directions.join(' and ')} disappear`, () => proxy.swallow(...directions)] as const,
  ),
]

describe.each(PARTITIONS)('a partition %s', (_, begin) => {
  test('takes the lock from a holder who is told, and whose writes are refused', { timeout: 30_000 }, async () => {
    const register = await GuardedRegister.open(server.port, `register:${presentNamespace()}`)
    const far = redisLocks(proxy.url)
    const held = await far.acquire('r:x', { agentId: 'far', ...SHORT })
    const renewed = await far.acquire('r:y', { agentId: 'far', ...SHORT, autoExtend: true })
    expect(await register.enter(held.fencingToken)).toBe(true)
    const read = await register.read()
    begin()
    const next = await near.acquire('r:x', { agentId: 'near', ...LONG })
    // Whoever got the lock may rely on it that the one before knows of the loss by now.
    expect(held.isHeld).toBe(false)
    expect(await lossOf(renewed)).toMatchObject({ loss: { kind: 'unreachable' } })
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await register.addOne(next.fencingToken)).toBe(true)
    expect(await register.write(held.fencingToken, read + 1)).toBe(false)
    expect(await register.accepted()).toEqual([next.fencingToken])
    register.close()
    proxy.heal()
    expect(await held.release()).toBe(false)
    const wait = far.acquire('r:x', { agentId: 'far', ...LONG })
    await until('far waits', async () => (await near.getLockInfo('r:x'))?.waiters === 1)
    expect(await next.release()).toBe(true)
    expect((await wait).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('costs who waits behind it its place only, and those in front of it nothing', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url)
    const held = await near.acquire('r:x', { agentId: 'near', ...LONG })
    const [wait, second] = await inLine([far, redisLocks(server.url)], 'r:x', LONG)
    begin()
    // It is dead after three heartbeats: whoever stands behind it is next.
    await until('far is not in line any more', async () => (await near.getLockInfo('r:x'))?.waiters === 1)
    expect(await held.release()).toBe(true)
    const next = await second
    expect(next?.fencingToken).toBeGreaterThan(held.fencingToken)
    proxy.heal()
    await until('far waits again', async () => (await near.getLockInfo('r:x'))?.waiters === 1)
    expect(await next?.release()).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(next?.fencingToken ?? Infinity)
  })

  test('under load loses no write, and everybody goes on after it', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(proxy.url), redisLocks(proxy.url), near], server.port)
    await load.turns(2)
    begin()
    await sleep(700)
    proxy.heal()
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('a reply that is lost', () => {
  /** Whatever the store sends its batches with. */
  const BATCH = ['FCALL', 'EVALSHA'] as const

  test('of a grant: the request is repeated, and granted once', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url, PATIENT)
    await (await far.acquire('r:warm', { agentId: 'far' })).release()
    const lost = proxy.loseReplyTo(...BATCH)
    const lock = await far.acquire('r:x', { agentId: 'far', ...LONG })
    await lost
    lock.assertHeld()
    const listed = []
    for await (const { fencingToken, waiters } of near.listLocks()) listed.push({ fencingToken, waiters })
    // Had it been done twice, the second would wait for the first.
    expect(listed).toEqual([{ fencingToken: lock.fencingToken, waiters: 0 }])
  })

  test('of a place in line: it is one place', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url, PATIENT)
    await (await far.acquire('r:warm', { agentId: 'far' })).release()
    const held = await near.acquire('r:x', { agentId: 'near', ...LONG })
    const lost = proxy.loseReplyTo(...BATCH)
    const wait = far.acquire('r:x', { agentId: 'far', ...LONG })
    await lost
    await until('it is in line', async () => (await near.getLockInfo('r:x'))?.waiters === 1)
    await held.release()
    const lock = await wait
    expect(lock.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await near.getLockInfo('r:x')).toMatchObject({ fencingToken: lock.fencingToken, waiters: 0 })
  })

  test('of a release: it says that it has released, and the next is served once', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url, PATIENT)
    const held = await far.acquire('r:x', { agentId: 'far', ...LONG })
    const [wait] = await inLine([near], 'r:x', LONG)
    const lost = proxy.loseReplyTo(...BATCH)
    const released = held.release()
    await lost
    expect(await released).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
    expect((await wait)?.isHeld).toBe(true)
  })

  test('of an extension: the lease is as long as it was asked for', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url, PATIENT)
    const held = await far.acquire('r:x', { agentId: 'far', timeout: '10s' })
    const lost = proxy.loseReplyTo(...BATCH)
    const extended = held.extend('1h')
    await lost
    await extended
    expect(held.remainingMs()).toBeGreaterThan(3_000_000)
  })

  test('again and again under load costs nobody a lock', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(proxy.url, PATIENT), redisLocks(server.url, PATIENT)], server.port)
    for (let round = 0; round < 10; round += 1) {
      await proxy.loseReplyTo(...BATCH)
      await load.turns(1)
    }
    // The same batch a few times in a row, too.
    for (let round = 0; round < 3; round += 1) await proxy.loseReplyTo(...BATCH)
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('pushes that are dropped', () => {
  test('are made good by the heartbeat, in the order of the line', { timeout: 30_000 }, async () => {
    const [b, c] = [redisLocks(proxy.url), redisLocks(proxy.url)]
    const held = await near.acquire('r:x', { agentId: 'near', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    proxy.dropsPushes = true
    expect(await held.release()).toBe(true)
    const fences = await servedInOrder(waits)
    expect(proxy.pushesDropped).toBeGreaterThan(0)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
    expect(fences[0]).toBeGreaterThan(held.fencingToken)
  })

  test('do not hide that a lock was taken away by force', { timeout: 30_000 }, async () => {
    const far = redisLocks(proxy.url)
    const held = await far.acquire('r:x', { agentId: 'far', ...LONG })
    proxy.dropsPushes = true
    await near.forceUnlock('r:x', { adminAgentId: 'admin', reason: 'test' })
    expect(await lossOf(held)).toMatchObject({ loss: { kind: 'forced', by: 'admin' } })
  })

  test('under load leave nobody behind', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(proxy.url), redisLocks(proxy.url)], server.port)
    proxy.dropsPushes = true
    await load.turns(4)
    expect(proxy.pushesDropped).toBeGreaterThan(0)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('a slow network', () => {
  test('changes neither order nor outcome', { timeout: 30_000 }, async () => {
    const [b, c] = [redisLocks(proxy.url, PATIENT), redisLocks(proxy.url, PATIENT)]
    await Promise.all([b.connect(), c.connect()])
    proxy.delayMs = 40
    proxy.bytesPerSecond = 100_000
    const held = await near.acquire('r:x', { agentId: 'near', ...LONG })
    const waits = await inLine([b, c, b], 'r:x', LONG)
    expect(await held.release()).toBe(true)
    const fences = await servedInOrder(waits)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
  })

  test('under load loses no write', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(proxy.url, PATIENT), near], server.port)
    await load.turns(1)
    proxy.delayMs = 25
    await load.turns(2)
    proxy.heal()
    expect(await load.stop()).toMatchObject({ problems: [] })
  })

  test('whose connections break all the time leaves nobody behind', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(proxy.url), redisLocks(proxy.url), near], server.port)
    for (let round = 0; round < 25; round += 1) {
      await sleep(20)
      proxy.reset()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

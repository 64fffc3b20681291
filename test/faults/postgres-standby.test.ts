import { afterEach, describe, expect, test } from 'vitest'
import type { LockLostError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { postgresLocks, standingInLine } from '../support/postgres-locks.ts'
import { PostgresPair } from '../support/postgres-pair.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
const FAR = { timeout: 120_000 } as const

const registers = await RedisServer.start()

const pairs: PostgresPair[] = []
afterEach(async () => {
  for (const pair of pairs.splice(0)) await pair.dispose()
})

async function startPair(synchronous: boolean): Promise<PostgresPair> {
  const pair = await PostgresPair.start(synchronous)
  pairs.push(pair)
  return pair
}

/** Nobody is taken for dead while a standby takes over. */
function locksAt(url: string): ResourceLockManager {
  return postgresLocks(url, { heartbeat: '2s' })
}

async function untilServed(locks: ResourceLockManager): Promise<void> {
  await until('the new primary is asked', async () => (await locks.getOwner('r:nobody')) === null, 30_000)
}

async function lossOf(lock: Lock): Promise<LockLostError> {
  await until('the loss is told', () => lock.signal.aborted, 30_000)
  return lock.signal.reason as LockLostError
}

describe('a URL that leads to a standby', () => {
  const readOnly = {
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/only takes reads.*standby.*primary/u) as string,
  }

  test('is refused with what to do about it, whether the schema is there or not', FAR, async () => {
    const pair = await startPair(false)
    const locks = locksAt(pair.standby.url())
    await expect(locks.acquire('r:x', { agentId: 'a' })).rejects.toMatchObject(readOnly)
    await expect(postgresStore(pair.standby.url()).migration.run()).rejects.toMatchObject(readOnly)
    await postgresStore(pair.primary.url()).migration.run()
    await pair.replicated()
    await expect(locks.acquire('r:x', { agentId: 'a' })).rejects.toMatchObject(readOnly)
    await expect(locks.getOwner('r:x')).rejects.toMatchObject(readOnly)
    await expect(locks.watch().next()).rejects.toMatchObject(readOnly)
  })

  test('is of use as soon as that is the primary', FAR, async () => {
    const pair = await startPair(false)
    await postgresStore(pair.primary.url()).migration.run()
    await pair.replicated()
    const locks = locksAt(pair.standby.url())
    await expect(locks.acquire('r:x', { agentId: 'a' })).rejects.toMatchObject(readOnly)
    await pair.failOver()
    await untilServed(locks)
    await expect(locks.acquire('r:x', { agentId: 'a' })).resolves.toMatchObject({ isHeld: true })
  })
})

describe('a fail-over to a standby that follows asynchronously', () => {
  test('keeps leases and lines that had arrived there', FAR, async () => {
    const pair = await startPair(false)
    const [a, b] = [locksAt(pair.url), locksAt(pair.url)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const wait = await standingInLine(b, 'r:x', 1)
    await pair.replicated()
    await pair.failOver()
    await untilServed(a)
    held.assertHeld()
    expect(await held.release()).toBe(true)
    expect((await wait()).fencingToken).toBeGreaterThan(held.fencingToken)
  })

  test('tells the holders of grants that had not, and tokens keep rising', FAR, async () => {
    const pair = await startPair(false)
    const [a, b, c] = [locksAt(pair.url), locksAt(pair.url), locksAt(pair.url)]
    const old = await a.acquire('r:old', { agentId: 'a', ...LONG })
    await pair.replicated()
    await pair.stopReplication()
    const late = await a.acquire('r:late', { agentId: 'a', ...LONG })
    const unknown = await b.acquire('r:unknown', { agentId: 'b', ...LONG })
    await pair.failOver()
    expect((await lossOf(late)).code).toBe('LOST')
    expect((await lossOf(unknown)).code).toBe('LOST')
    await untilServed(c)
    const lateAgain = await c.acquire('r:late', { agentId: 'c', ...LONG })
    const unknownAgain = await c.acquire('r:unknown', { agentId: 'c', ...LONG })
    expect(lateAgain.fencingToken).toBeGreaterThan(late.fencingToken)
    expect(unknownAgain.fencingToken).toBeGreaterThan(unknown.fencingToken)
    expect(await late.release()).toBe(false)
    old.assertHeld()
    expect(await c.getOwner('r:old')).toBe('a')
  })

  test('that forgets a line serves everybody in it', FAR, async () => {
    const pair = await startPair(false)
    const [a, b, c] = [locksAt(pair.url), locksAt(pair.url), locksAt(pair.url)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    await pair.replicated()
    await pair.stopReplication()
    const waits = [await standingInLine(b, 'r:x', 1), await standingInLine(c, 'r:x', 2)]
    await pair.failOver()
    await untilServed(a)
    await held.release()
    const fences = await Promise.all(
      waits.map(async (wait) => {
        await using lock = await wait()
        return lock.fencingToken
      }),
    )
    for (const fence of fences) expect(fence).toBeGreaterThan(held.fencingToken)
  })

  test('under load lets no loser write and leaves nobody behind', FAR, async () => {
    const pair = await startPair(false)
    const load = await LockLoad.start([locksAt(pair.url), locksAt(pair.url)], registers.port, true)
    await load.turns(3)
    await pair.stopReplication()
    await load.turns(3)
    await pair.failOver()
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('a standby that each commit waits for', () => {
  test('knows every grant that was given, when it takes over', FAR, async () => {
    const pair = await startPair(true)
    const [a, b] = [locksAt(pair.url), locksAt(pair.url)]
    const held = await Promise.all([1, 2, 3].map((i) => a.acquire(`r:${i}`, { agentId: 'a', ...LONG })))
    const wait = await standingInLine(b, 'r:1', 1)
    await pair.failOver()
    await untilServed(b)
    for (const lock of held) lock.assertHeld()
    expect(await Promise.all(held.map((lock) => lock.release()))).toEqual([true, true, true])
    const next = await wait()
    expect(next.fencingToken).toBeGreaterThan(Math.max(...held.map((lock) => lock.fencingToken)))
  })

  test('keeps every grant waiting while it is away, and lets none of them be lost', FAR, async () => {
    const pair = await startPair(true)
    const [a, b] = [locksAt(pair.url), locksAt(pair.url)]
    const held = await a.acquire('r:held', { agentId: 'a', ...LONG })
    const resume = await pair.stopReplication()
    await expect(a.acquire('r:x', { agentId: 'a', ...LONG })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await resume()
    await pair.untilFollowing('sync')
    // What nobody was told of in time is given back.
    const lock = await b.acquire('r:x', { agentId: 'b', ...LONG })
    held.assertHeld()
    expect(await Promise.all([held.release(), lock.release()])).toEqual([true, true])
  })
})

import { beforeEach, describe, expect, test } from 'vitest'
import type { ResourceLockManager } from '../../src/open.ts'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { inLine, ownServer, redisLocks } from '../support/redis-locks.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const

const registers = await RedisServer.start()
let server: RedisServer
let a: ResourceLockManager
let b: ResourceLockManager
beforeEach(async () => {
  server = await ownServer()
  a = redisLocks(server.url)
  b = redisLocks(server.url)
  // Their connections are there before nothing more fits in.
  for (const locks of [a, b]) await (await locks.acquire('r:warm', { agentId: 'warm' })).release()
})

/** Whatever the server has in it is more than it may have now. */
function fillMemory(): Promise<unknown> {
  return server.command('CONFIG', 'SET', 'maxmemory', 1)
}

function freeMemory(): Promise<unknown> {
  return server.command('CONFIG', 'SET', 'maxmemory', 0)
}

async function listed(): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { resourceId } of b.listLocks()) ids.push(resourceId)
  return ids.toSorted()
}

const FULL = { code: 'UNAVAILABLE', message: expect.stringMatching(/memory/u) as string }

describe('a server whose memory is full', () => {
  test(
    'refuses a lock with what to do about it, and has it when there is room again',
    { timeout: 30_000 },
    async () => {
      await fillMemory()
      await expect(a.acquire('r:x', { agentId: 'a', ...LONG })).rejects.toMatchObject(FULL)
      await expect(a.tryAcquire(['r:x', 'r:y'], { agentId: 'a' })).rejects.toMatchObject(FULL)
      expect(await listed()).toEqual([])
      await freeMemory()
      expect(await listed()).toEqual([])
      await expect(a.acquire('r:x', { agentId: 'a' })).resolves.toMatchObject({ isHeld: true })
      expect(await listed()).toEqual(['r:x'])
    },
  )

  test('takes back what is released, and gives it to who waits', { timeout: 30_000 }, async () => {
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    await fillMemory()
    expect(await a.getOwner('r:x')).toBe('a')
    expect(await held.release()).toBe(true)
    const next = await wait
    expect(next?.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await next?.release()).toBe(true)
    expect(await listed()).toEqual([])
  })

  test('keeps the leases that are renewed, and the sessions that are heard of', { timeout: 30_000 }, async () => {
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '600ms', autoExtend: true })
    const asked = await a.acquire('r:y', { agentId: 'a', timeout: '5s' })
    await fillMemory()
    await asked.extend('1h')
    const before = held.expiresAt.getTime()
    await until('it was renewed thrice', () => held.expiresAt.getTime() > before + 600)
    held.assertHeld()
    expect(asked.remainingMs()).toBeGreaterThan(3_000_000)
    expect(await listed()).toEqual(['r:x', 'r:y'])
  })

  test('does what it can of calls that are made at once', { timeout: 30_000 }, async () => {
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    await fillMemory()
    const both = await Promise.allSettled([a.acquire('r:y', { agentId: 'a', ...LONG }), held.release()])
    expect(both[0]).toMatchObject({ status: 'rejected', reason: FULL })
    // Whether the release was told of the trouble or not: the lock is free.
    await until('nobody has it', async () => (await listed()).length === 0)
    await freeMemory()
    expect(await listed()).toEqual([])
  })

  test('lets those go who do not want to wait any more', { timeout: 30_000 }, async () => {
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const giveUp = new AbortController()
    const wait = b.acquire('r:x', { agentId: 'b', ...LONG, signal: giveUp.signal })
    wait.catch(() => {})
    await until('b waits', async () => (await a.getLockInfo('r:x'))?.waiters === 1)
    await fillMemory()
    giveUp.abort(new Error('enough'))
    await expect(wait).rejects.toThrow('enough')
    await until('nobody waits', async () => (await a.getLockInfo('r:x'))?.waiters === 0)
    expect(await held.release()).toBe(true)
  })

  test('under load refuses, loses no write, and goes on when there is room', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([a, b], registers.port)
    for (let round = 0; round < 3; round += 1) {
      await load.turns(3)
      await fillMemory()
      await until('nobody holds anything', async () => (await listed()).length === 0)
      await freeMemory()
    }
    await load.turns(3)
    const report = await load.stop()
    expect(report).toMatchObject({ problems: [], losses: 0 })
    expect(report.outages).toBeGreaterThan(0)
    expect(await listed()).toEqual([])
  })
})

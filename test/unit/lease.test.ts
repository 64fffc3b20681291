import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LockLostError } from '../../src/core/errors.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { driverWithFaults, Faults, refused } from '../support/faulty-store.ts'
import { failure, manager, managers } from '../support/managers.ts'

const agentId = 'agent-a'
const admin = { adminAgentId: 'admin', reason: 'stuck' } as const
type Pair = [ResourceLockManager, ResourceLockManager]

describe('a lock', () => {
  test('says what it locks, for whom and until when', async () => {
    const locks = manager()
    const before = Date.now()
    const lock = await locks.acquire(['file:./a.ts', { resourceId: 'x', mode: 'shared' }], { agentId, timeout: '30s' })
    expect(lock.resources).toEqual([
      { resourceId: 'file:a.ts', mode: 'exclusive', scope: 'node' },
      { resourceId: 'resource:x', mode: 'shared', scope: 'node' },
    ])
    expect(lock).toMatchObject({
      resourceId: 'file:a.ts',
      agentId,
      mode: 'exclusive',
      isHeld: true,
      previous: undefined,
    })
    expect(Number.isSafeInteger(lock.fencingToken)).toBe(true)
    expect(lock.lockedAt.getTime()).toBeGreaterThanOrEqual(before - 1)
    expect(lock.lockedAt.getTime()).toBeLessThanOrEqual(Date.now() + 1)
    expect(Math.abs(lock.expiresAt.getTime() - lock.lockedAt.getTime() - 30_000)).toBeLessThanOrEqual(2)
    expect(lock.remainingMs()).toBeLessThanOrEqual(29_700)
    expect(lock.signal.aborted).toBe(false)
    lock.assertHeld()
    expect((await locks.acquire('y', { agentId, mode: 'shared' })).mode).toBe('shared')
  })

  test('gives out dates that nobody can change under it', async () => {
    const lock = await manager().acquire('x', { agentId })
    const { expiresAt, lockedAt } = lock
    const ends = expiresAt.getTime()
    expiresAt.setFullYear(1999)
    lockedAt.setFullYear(1999)
    expect(lock.expiresAt.getTime()).toBe(ends)
    expect(lock.lockedAt.getFullYear()).not.toBe(1999)
  })

  test('has one signal', async () => {
    const locks = manager()
    const lock = await locks.acquire('x', { agentId })
    expect(lock.signal).toBe(lock.signal)
    const { signal } = new AbortController()
    await locks.withLock('y', { agentId, signal }, (inner) => {
      expect(inner.signal).toBe(inner.signal)
    })
  })

  test('keeps its ownership token to itself', async () => {
    const faults = new Faults()
    const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
    const lock = await locks.acquire('x', { agentId })
    const step = faults.sent.flatMap(({ steps }) => steps).find((each) => each.type === 'acquire')
    const token = step?.type === 'acquire' ? step.token : ''
    expect(token).not.toBe('')
    const seen = [
      JSON.stringify(lock),
      inspect(lock, { depth: Infinity, showHidden: true }),
      inspect(lock, { depth: Infinity, showHidden: true, customInspect: false, getters: true }),
      JSON.stringify(await locks.getLockInfo('x')),
      inspect(await failure(() => locks.acquire('x', { agentId, waitTimeout: 0 })), { depth: Infinity }),
    ]
    for (const text of seen) expect(text).not.toContain(token)
    expect(Object.keys(lock)).toEqual([])
    expect(Reflect.ownKeys(lock)).toEqual([])
    for (const key in lock) expect(Reflect.get(lock, key)).not.toBe(token)
    expect(JSON.parse(JSON.stringify(lock))).toMatchObject({ agentId, isHeld: true, fencingToken: lock.fencingToken })
  })

  test('has a greater fencing token than every earlier one', async () => {
    const [a, b] = managers(2) as Pair
    let last = 0
    for (let round = 0; round < 20; round += 1) {
      const lock = await (round % 2 === 0 ? a : b).acquire(`x:${round % 3}`, { agentId })
      expect(lock.fencingToken).toBeGreaterThan(last)
      last = lock.fencingToken
      await lock.release()
    }
  })

  test('knows who held it before, of several resources whoever was last', async () => {
    const locks = manager()
    for (const [resource, holder] of [
      ['x', 'first'],
      ['y', 'second'],
    ] as const) {
      const lock = await locks.acquire(resource, { agentId: holder, reason: `as ${holder}` })
      await lock.release()
      await new Promise((resolve) => void setTimeout(resolve, 2))
    }
    const lock = await locks.acquire(['x', 'y'], { agentId })
    expect(lock.previous).toEqual({
      resourceId: 'resource:y',
      agentId: 'second',
      until: expect.any(Date),
      fencingToken: expect.any(Number),
      reason: 'as second',
    })
    expect(lock.previous?.fencingToken).toBeLessThan(lock.fencingToken)
  })
})

describe('release', () => {
  test('lets go, once, and says so every time', async () => {
    const locks = manager()
    const lock = await locks.acquire('x', { agentId })
    expect(await Promise.all([lock.release(), lock.release()])).toEqual([true, true])
    expect(await lock.release()).toBe(true)
    expect(lock.isHeld).toBe(false)
    expect(lock.remainingMs()).toBe(0)
    expect(lock.signal.aborted).toBe(false)
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('does nothing to the next holder', async () => {
    const locks = manager()
    const lock = await locks.acquire('x', { agentId })
    await lock.release()
    const next = await locks.acquire('x', { agentId })
    await lock.release()
    expect(next.isHeld).toBe(true)
    expect(await locks.isLocked('x')).toBe(true)
  })

  test('is false once the lock was lost', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    await b.forceUnlock('x', admin)
    const next = await b.acquire('x', { agentId: 'next' })
    expect(await lock.release()).toBe(false)
    expect(await lock.release()).toBe(false)
    expect(next.isHeld).toBe(true)
    expect(await b.getOwner('x')).toBe('next')
  })

  test('rejects where the store cannot be asked, and the lock is no longer held all the same', async () => {
    const faults = new Faults()
    const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
    const lock = await locks.acquire('x', { agentId })
    faults.onApply = refused
    expect(await failure(() => lock.release())).toMatchObject({ code: 'UNAVAILABLE' })
    expect(lock.isHeld).toBe(false)
    faults.onApply = (_batch, apply) => apply()
  })

  test('is what disposal does; neither rejects for a loss', async () => {
    const [a, b] = managers(2) as Pair
    {
      await using lock = await a.acquire('x', { agentId })
      expect(lock.isHeld).toBe(true)
    }
    expect(await a.isLocked('x')).toBe(false)
    {
      await using lock = await a.acquire('x', { agentId })
      await b.forceUnlock('x', admin)
      expect(lock.agentId).toBe(agentId)
    }
    expect(await a.isLocked('x')).toBe(false)
  })
})

describe('a lost lock', () => {
  test('says how, by whom and why, in every way', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const { signal } = lock
    const aborted = new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true })
    })
    await b.forceUnlock('x', admin)
    await aborted
    const loss = { kind: 'forced', by: 'admin', reason: 'stuck' }
    expect(signal.reason).toBeInstanceOf(LockLostError)
    expect(signal.reason).toMatchObject({ code: 'LOST', loss, resources: lock.resources })
    expect(String(signal.reason)).toMatch(/resource:x was lost: admin ended it by force, reason: 'stuck'/)
    expect(lock.isHeld).toBe(false)
    expect(() => lock.assertHeld()).toThrow(signal.reason as Error)
    await expect(lock.extend()).rejects.toBe(signal.reason)
    expect(lock.remainingMs()).toBe(0)
  })
})

describe('extend', () => {
  test('rejects with NOT_HELD after the release', async () => {
    const lock = await manager().acquire('x', { agentId })
    await lock.release()
    expect(await failure(() => lock.extend())).toMatchObject({ code: 'NOT_HELD', resources: lock.resources })
    expect(() => lock.assertHeld()).toThrow(expect.objectContaining({ code: 'NOT_HELD' }))
  })

  test.for([
    ['25h', /duration: '25h' is too long/],
    ['10ms', /duration: '10ms' is too short/],
    [60, /duration: 60 could mean '60s' or '60ms'/],
    [null, /duration: null/],
  ] as const)('refuses %o', async ([duration, message]) => {
    const lock = await manager().acquire('x', { agentId })
    const error = await failure(() => lock.extend(duration as '30s'))
    expect(error.code).toBe('INVALID')
    expect(error.message).toMatch(message)
    expect(lock.isHeld).toBe(true)
  })

  test('moves the expiry', async () => {
    const locks = manager()
    const lock = await locks.acquire('x', { agentId, timeout: '30s' })
    const { expiresAt } = lock
    await lock.extend('1h')
    expect(lock.expiresAt.getTime()).toBeGreaterThan(expiresAt.getTime() + 3_500_000)
    expect(lock.remainingMs()).toBeGreaterThan(3_500_000)
    const seen = (await locks.getLockInfo('x'))?.expiresAt.getTime() ?? 0
    expect(Math.abs(seen - lock.expiresAt.getTime())).toBeLessThan(10)
  })
})

describe('onWanted', () => {
  test('tells the holder that somebody waits, and how many', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const wanted = new Promise<number>((resolve) => void lock.onWanted(({ waiters }) => resolve(waiters)))
    const next = b.acquire('x', { agentId: 'next' })
    expect(await wanted).toBe(1)
    await lock.release()
    await (await next).release()
  })

  test('tells at once where somebody waits already', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const first = new Promise<void>((resolve) => void lock.onWanted(() => resolve()))
    const next = b.acquire('x', { agentId: 'next' })
    await first
    const told: number[] = []
    const end = lock.onWanted(({ waiters }) => told.push(waiters))
    expect(told).toEqual([1])
    end()
    end()
    await lock.release()
    await next
  })

  test('tells no more once it was ended, and each subscription ends by itself', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    let calls = 0
    const handler = (): void => void (calls += 1)
    const ends = [lock.onWanted(handler), lock.onWanted(handler)]
    ends[0]?.()
    const told = new Promise<void>((resolve) => void lock.onWanted(() => resolve()))
    const next = b.acquire('x', { agentId: 'next' })
    await told
    expect(calls).toBe(1)
    await lock.release()
    await next
  })

  test('survives a handler that fails, at once or later', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', note)
    lock.onWanted(() => {
      throw new Error('at once')
    })
    lock.onWanted(() => Promise.reject(new Error('later')))
    const told = new Promise<void>((resolve) => void lock.onWanted(() => resolve()))
    const next = b.acquire('x', { agentId: 'next' })
    await told
    await lock.release()
    await next
    await expect.poll(() => warnings.join()).toMatch(/at once.*later/)
    process.off('warning', note)
  })
})

import { describe, expect, test } from 'vitest'
import type { ResourceLockManager } from '../../src/open.ts'
import { failure, manager, managers } from '../support/managers.ts'

const agentId = 'agent-a'
const admin = { adminAgentId: 'admin', reason: 'stuck' } as const
type Pair = [ResourceLockManager, ResourceLockManager]

describe('withLock', () => {
  test('gives what the callback gives, and releases however it ends', async () => {
    const locks = manager()
    expect(await locks.withLock('x', { agentId }, async (lock) => [lock.isHeld, await locks.isLocked('x')])).toEqual([
      true,
      true,
    ])
    expect(await locks.isLocked('x')).toBe(false)
    const own = new Error('mine')
    await expect(
      locks.withLock('x', { agentId }, () => {
        throw own
      }),
    ).rejects.toBe(own)
    await expect(locks.withLock('x', { agentId }, () => Promise.reject(own))).rejects.toBe(own)
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('rejects with LOST if the lock was lost meanwhile, whatever the callback did', async () => {
    const [a, b] = managers(2) as Pair
    const own = new Error('mine')
    const lose = async (): Promise<void> => void (await b.forceUnlock('x', admin))
    expect(await failure(() => a.withLock('x', { agentId }, lose))).toMatchObject({
      code: 'LOST',
      loss: { kind: 'forced', by: 'admin', reason: 'stuck' },
    })
    const failing = a.withLock('x', { agentId }, async () => {
      await lose()
      throw own
    })
    expect(await failure(() => failing)).toMatchObject({ code: 'LOST', loss: { kind: 'forced' }, cause: own })
    const rethrowing = a.withLock('x', { agentId }, async (lock) => {
      await lose()
      await lock.extend()
    })
    const error = await failure(() => rethrowing)
    expect(error).toMatchObject({ code: 'LOST' })
    expect(error.cause).toBeUndefined()
  })

  test("lets the lock's signal follow the given one", async () => {
    const locks = manager()
    const controller = new AbortController()
    const reason = new Error('stop')
    await expect(
      locks.withLock('x', { agentId, signal: controller.signal }, async (lock) => {
        const { signal } = lock
        controller.abort(reason)
        expect(signal.aborted).toBe(true)
        expect(lock.isHeld).toBe(true)
        signal.throwIfAborted()
      }),
    ).rejects.toBe(reason)
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('does not call back where it was not granted', async () => {
    const locks = manager()
    await locks.acquire('x', { agentId })
    let called = false
    const call = () => locks.withLock('x', { agentId, waitTimeout: 0 }, () => void (called = true))
    expect(await failure(call)).toMatchObject({ code: 'BUSY' })
    await expect(
      locks.withLock('y', { agentId, signal: AbortSignal.abort('no') }, () => void (called = true)),
    ).rejects.toBe('no')
    expect(called).toBe(false)
  })

  test('refuses what is no function, and locks nothing', async () => {
    const locks = manager()
    const call = () => locks.withLock('x', { agentId }, 'work' as unknown as () => void)
    expect(await failure(call)).toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(/'work' is not a function/),
    })
    expect(await failure(() => locks.agent('a').withLock('x', {} as () => void))).toMatchObject({ code: 'INVALID' })
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('is content with a callback that releases by itself', async () => {
    const [a, b] = managers(2) as Pair
    const result = await a.withLock('x', { agentId }, async (lock) => {
      await lock.release()
      return (await b.acquire('x', { agentId: 'next' })).isHeld
    })
    expect(result).toBe(true)
    expect(await b.getOwner('x')).toBe('next')
  })
})

import { describe, expect, test } from 'vitest'
import type { LockManager } from '../../src/core/manager.ts'
import type { StoreDriver } from '../../src/core/store.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { driverWithFaults, Faults } from '../support/faulty-store.ts'
import { failure, manager, managers, waitersOf } from '../support/managers.ts'

type Pair = [ResourceLockManager, ResourceLockManager]
const agentId = 'agent-a'

/** Every call that a manager has. */
function calls(locks: LockManager): Record<string, () => Promise<unknown>> {
  const agent = locks.agent('agent-b')
  return {
    connect: () => locks.connect(),
    acquire: () => locks.acquire('x', { agentId }),
    tryAcquire: () => locks.tryAcquire('x', { agentId }),
    withLock: () => locks.withLock('x', { agentId }, () => {}),
    isLocked: () => locks.isLocked('x'),
    getOwner: () => locks.getOwner('x'),
    getLockInfo: () => locks.getLockInfo('x'),
    listLocks: () => locks.listLocks().next(),
    findStaleLocks: () => locks.findStaleLocks({ maxAge: '1s' }),
    forceUnlock: () => locks.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' }),
    watch: () => locks.watch().next(),
    'agent.acquire': () => agent.acquire('x'),
    'agent.isLocked': () => agent.isLocked('x'),
  }
}

describe('close', () => {
  test('releases what the manager holds, and its handles say so', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const { signal } = lock
    const next = b.acquire('x', { agentId: 'next' })
    await waitersOf(b, 'x', 1)
    await a.close()
    expect((await next).isHeld).toBe(true)
    expect(signal.reason).toMatchObject({ code: 'LOST', loss: { kind: 'closed' } })
    expect(lock.isHeld).toBe(false)
    expect(await lock.release()).toBe(false)
    expect(await failure(() => lock.extend())).toMatchObject({ code: 'LOST', loss: { kind: 'closed' } })
    await lock[Symbol.asyncDispose]()
  })

  test('rejects those who wait, and takes them out of the line', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await b.acquire('x', { agentId: 'holder' })
    const waits = [0, 1, 2].map(() => failure(() => a.acquire('x', { agentId, waitTimeout: 'forever' })))
    await waitersOf(b, 'x', 3)
    await a.close()
    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: 'CLOSED', name: 'ClosedError' })
    expect((await b.getLockInfo('x'))?.waiters).toBe(0)
    expect(lock.isHeld).toBe(true)
  })

  test.for(Object.keys(calls(manager())))('lets %s reject with CLOSED afterwards, connected or not', async (name) => {
    for (const isConnected of [true, false]) {
      const locks = manager()
      if (isConnected) await locks.connect()
      const call = calls(locks)[name]
      await locks.close()
      expect(await failure(() => call?.() ?? Promise.resolve())).toMatchObject({ code: 'CLOSED' })
    }
  })

  test.for(Object.keys(calls(manager())))('at the same moment lets %s end, one way or the other', async (name) => {
    for (const isConnected of [true, false]) {
      const faults = new Faults()
      const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
      if (isConnected) await locks.connect()
      const call = calls(locks)[name]
      const ended = call?.().then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      await locks.close()
      expect(['done', 'CLOSED', 'LOST']).toContain(await ended)
      expect(faults.openSubscriptions).toBe(0)
    }
  })

  test('may be called twice, at once and later, and is what disposal does', async () => {
    const faults = new Faults()
    const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
    await locks.acquire('x', { agentId })
    await Promise.all([locks.close(), locks.close()])
    await locks.close()
    await locks[Symbol.asyncDispose]()
    expect(faults.closes).toBe(1)
    await using other = manager()
    await other.acquire('x', { agentId })
  })

  test('before anything was opened opens nothing', async () => {
    let opens = 0
    const store: StoreDriver = { open: (name) => ((opens += 1), memoryStore().open(name)) }
    const locks = manager({ store })
    await locks.close()
    expect(await failure(() => locks.connect())).toMatchObject({ code: 'CLOSED' })
    expect(opens).toBe(0)
  })

  test('while the store is being opened closes it, or gives up opening it', async () => {
    const faults = new Faults()
    const inner = driverWithFaults(memoryStore(), faults)
    let open = (): void => {}
    const opening = new Promise<void>((resolve) => (open = resolve))
    const locks = manager({ store: { open: (name) => opening.then(() => inner.open(name)) } })
    const acquired = failure(() => locks.acquire('x', { agentId }))
    await new Promise((resolve) => void setImmediate(resolve))
    const closed = locks.close()
    open()
    await closed
    expect(await acquired).toMatchObject({ code: 'CLOSED' })
    expect(faults).toMatchObject({ closes: 1, openSubscriptions: 0 })
    const patient: StoreDriver = {
      open: (_name, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    }
    const other = manager({ store: patient })
    const never = failure(() => other.acquire('x', { agentId }))
    await new Promise((resolve) => void setImmediate(resolve))
    await other.close()
    expect(await never).toMatchObject({ code: 'CLOSED' })
  })

  test('is not needed to give up a call while the store is being opened: an abort does that', async () => {
    let open = (): void => {}
    const opening = new Promise<void>((resolve) => (open = resolve))
    const locks = manager({ store: { open: (name) => opening.then(() => memoryStore().open(name)) } })
    const controller = new AbortController()
    const acquired = locks.acquire('x', { agentId, signal: controller.signal })
    controller.abort('enough')
    await expect(acquired).rejects.toBe('enough')
    open()
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('ends the lock of a callback that is still running, and its withLock with LOST', async () => {
    const locks = manager()
    const error = await failure(() =>
      locks.withLock('x', { agentId }, async (lock) => {
        const { signal } = lock
        await locks.close()
        expect(signal.aborted).toBe(true)
      }),
    )
    expect(error).toMatchObject({ code: 'LOST', loss: { kind: 'closed' } })
  })

  test('leaves no subscription, also where a listing or a watch was left in the middle', async () => {
    const faults = new Faults()
    const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
    await locks.acquire(['x', 'y'], { agentId })
    const list = locks.listLocks()
    await list.next()
    const watch = locks.watch()
    const next = watch.next()
    await locks.isLocked('x')
    await locks.close()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(faults).toMatchObject({ closes: 1, openSubscriptions: 0 })
  })
})

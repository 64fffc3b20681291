import { describe, expect, test } from 'vitest'
import type { DeadlockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import { EventBus } from '../../src/core/reporting/eventbus.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { failure, manager, managers, observed, waitersOf } from '../support/managers.ts'

type Pair = [ResourceLockManager, ResourceLockManager]
const agentId = 'agent-a'

describe('agent()', () => {
  test('gives the same methods, with the agent bound and the options optional', async () => {
    const locks = manager()
    const agent = locks.agent('agent-a')
    expect(agent.agentId).toBe('agent-a')
    const lock = await agent.acquire('x')
    expect(lock.agentId).toBe('agent-a')
    expect(await agent.tryAcquire('x')).toBeNull()
    expect([await agent.isLocked('x'), await agent.getOwner('x')]).toEqual([true, 'agent-a'])
    expect((await agent.getLockInfo('x'))?.agentId).toBe('agent-a')
    expect((await agent.listLocks().next()).value?.agentId).toBe('agent-a')
    expect(await agent.findStaleLocks({ maxAge: '0s' })).toHaveLength(1)
    expect(await agent.withLock('y', (held) => held.agentId)).toBe('agent-a')
    expect(await agent.withLock('y', { timeout: '1s' }, (held) => held.agentId)).toBe('agent-a')
    const { signal } = lock
    expect(await agent.forceUnlock('x', { reason: 'stuck' })).toHaveLength(1)
    await expect.poll(() => signal.aborted).toBe(true)
    expect(signal.reason).toMatchObject({ loss: { by: 'agent-a' } })
    const controller = new AbortController()
    const watching = agent.watch({ signal: controller.signal }).next()
    controller.abort()
    expect((await watching).done).toBe(true)
  })

  test.for([undefined, '', 5, 'a'.repeat(257)])('refuses the name %o with the first lock', async (name) => {
    const agent = manager().agent(name as string)
    expect(await failure(() => agent.acquire('x'))).toMatchObject({ code: 'INVALID' })
  })
})

/** Two activities, each holding what the other wants; the second one's request closes the circle. */
async function cross(
  one: (resource: string) => Promise<Lock>,
  two: (resource: string) => Promise<Lock>,
  locks: ResourceLockManager,
): Promise<{ error: DeadlockError; first: Promise<Lock>; held: Lock[] }> {
  const held = [await one('x'), await two('y')]
  const first = one('y')
  await waitersOf(locks, 'y', 1)
  const error = (await failure(() => two('x'))) as DeadlockError
  return { error, first, held }
}

describe('a deadlock', () => {
  test('of two agents is found when it closes, names the whole circle and harms nothing else', async () => {
    const [a, b] = managers(2) as Pair
    const [one, two] = [a.agent('one'), b.agent('two')]
    const { error, first, held } = await cross(
      (id) => one.acquire(id),
      (id) => two.acquire(id),
      a,
    )
    expect(error).toMatchObject({ code: 'DEADLOCK', name: 'DeadlockError', resources: [{ resourceId: 'resource:x' }] })
    expect(error.cycle.map(({ agentId: who, resourceId, mode, state }) => [who, state, resourceId, mode])).toEqual([
      ['two', 'waits', 'resource:x', 'exclusive'],
      ['one', 'holds', 'resource:x', 'exclusive'],
      ['one', 'waits', 'resource:y', 'exclusive'],
      ['two', 'holds', 'resource:y', 'exclusive'],
    ])
    for (const link of error.cycle) expect(Math.abs(link.since.getTime() - Date.now())).toBeLessThan(10_000)
    expect(error.message).toMatch(/two waits for resource:x .*\n.*one holds resource:x/)
    await held[1]?.release()
    expect((await first).isHeld).toBe(true)
  })

  test('of nested withLock calls is found by their async context', async () => {
    const [a, b] = managers(2) as Pair
    let inner: Promise<unknown> = Promise.resolve()
    const outer = b.withLock('y', { agentId: 'two' }, async () => {
      // The other activity must not belong to this one.
      inner = b.detached(() =>
        a.withLock('x', { agentId: 'one' }, () => a.withLock('y', { agentId: 'one' }, () => 'done')),
      )
      await waitersOf(b, 'y', 1)
      return failure(() => b.acquire('x', { agentId: 'two' }))
    })
    expect(await outer).toMatchObject({ code: 'DEADLOCK' })
    expect(await inner).toBe('done')
  })

  test('of one who waits for its own shared lock says that there is no upgrade', async () => {
    const agent = manager().agent('one')
    await agent.acquire('x', { mode: 'shared' })
    const error = await failure(() => agent.acquire('x'))
    expect(error).toMatchObject({ code: 'DEADLOCK' })
    expect(error.message).toMatch(/A shared lock cannot become an exclusive one/)
  })

  test('is not seen where activities are not declared', async () => {
    const [a, b] = managers(2) as Pair
    await a.acquire('x', { agentId: 'one' })
    await b.acquire('y', { agentId: 'two' })
    const waiting = failure(() => a.acquire('y', { agentId: 'one', waitTimeout: '100ms' }))
    await waitersOf(b, 'y', 1)
    const error = await failure(() => b.acquire('x', { agentId: 'two', waitTimeout: '20ms' }))
    expect(error).toMatchObject({ code: 'WAIT_TIMEOUT' })
    expect(await waiting).toMatchObject({ code: 'WAIT_TIMEOUT' })
  })

  test('is told on the bus, and counts as contention', async () => {
    const { locks, events, registry } = observed()
    const agent = locks.agent('one')
    await agent.acquire('x', { mode: 'shared' })
    await failure(() => agent.acquire('x'))
    expect(events.map(({ type }) => type)).toEqual(['resource.locked', 'resource.deadlock'])
    const contentions = await registry.getSingleMetric('resource_lock_contentions_total')?.get()
    expect(contentions?.values).toMatchObject([{ value: 1, labels: { resource_type: 'resource', agent_id: 'one' } }])
  })
})

describe('re-entry', () => {
  test('shares the lock of the same activity where it covers all that is asked for', async () => {
    const locks = manager()
    await locks
      .withLock('file:src/**', { agentId }, async (outer) => {
        await locks.withLock('file:src/a.ts', { agentId, reentrant: true, waitTimeout: 0 }, async (inner) => {
          expect(inner.fencingToken).toBe(outer.fencingToken)
          expect(inner.isHeld).toBe(true)
          expect(await inner.release()).toBe(true)
          expect([inner.isHeld, outer.isHeld]).toEqual([false, true])
        })
        expect(await locks.isLocked('file:src/a.ts')).toBe(true)
        const wider = () => locks.acquire('file:**', { agentId, reentrant: true, waitTimeout: 0 })
        expect(await failure(wider)).toMatchObject({ code: 'BUSY' })
        const some = () => locks.acquire(['file:src/a.ts', 'x'], { agentId, reentrant: true, waitTimeout: 0 })
        expect((await some()).fencingToken).toBeGreaterThan(outer.fencingToken)
      })
      .catch((error: unknown) => {
        // A request that is not covered is a normal one, and 'file:src/a.ts' is taken.
        expect(error).toMatchObject({ code: 'BUSY' })
      })
    expect(await locks.isLocked('file:src')).toBe(false)
  })

  test('is not given to another activity, nor without asking for it', async () => {
    const locks = manager()
    const [one, two] = [locks.agent(agentId), locks.agent(agentId)]
    await one.acquire('x')
    expect(await two.tryAcquire('x', { reentrant: true })).toBeNull()
    expect(await one.tryAcquire('x')).toBeNull()
    expect((await one.tryAcquire('x', { reentrant: true }))?.isHeld).toBe(true)
    expect(await locks.tryAcquire('x', { agentId, reentrant: true })).toBeNull()
  })

  test('is given to whoever shows a lock that covers it', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId })
    const same = await a.acquire('x', { agentId: 'helper', holding: lock, waitTimeout: 0 })
    expect(same.fencingToken).toBe(lock.fencingToken)
    expect(await b.tryAcquire('x', { agentId: 'helper' })).toBeNull()
    expect(await b.tryAcquire('x', { agentId: 'helper', holding: lock })).not.toBeNull()
  })

  test('ends the lock with its last entry, in whatever order', async () => {
    const locks = manager()
    const agent = locks.agent('one')
    const outer = await agent.acquire('x')
    const inner = await agent.acquire('x', { reentrant: true })
    await outer.release()
    expect([outer.isHeld, inner.isHeld]).toEqual([false, true])
    expect(await locks.isLocked('x')).toBe(true)
    inner.assertHeld()
    await inner.release()
    expect(await locks.isLocked('x')).toBe(false)
  })

  test('sees the lock extended by whichever handle extends it', async () => {
    const agent = manager().agent('one')
    const outer = await agent.acquire('x', { timeout: '30s' })
    const inner = await agent.acquire('x', { reentrant: true })
    await outer.extend('1h')
    expect(inner.remainingMs()).toBeGreaterThan(3_500_000)
    expect(inner.expiresAt).toEqual(outer.expiresAt)
    await inner.extend('2h')
    expect(outer.remainingMs()).toBeGreaterThan(7_000_000)
  })

  test('loses every handle with the lock', async () => {
    const [a, b] = managers(2) as Pair
    const agent = a.agent('one')
    const handles = [await agent.acquire('x'), await agent.acquire('x', { reentrant: true })]
    const signals = handles.map(({ signal }) => signal)
    await b.forceUnlock('x', { adminAgentId: 'admin', reason: 'stuck' })
    await expect.poll(() => signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('counts as one lock', async () => {
    const { locks, events, registry } = observed()
    const agent = locks.agent('one')
    const outer = await agent.acquire(['x:1', 'x:2'])
    const inner = await agent.acquire('x:1', { reentrant: true })
    const active = async () => (await registry.getSingleMetric('resource_locks_active')?.get())?.values[0]?.value
    expect(await active()).toBe(2)
    await outer.release()
    expect(await active()).toBe(2)
    await inner.release()
    expect(await active()).toBe(0)
    expect(events.map(({ type, resources }) => [type, resources.length])).toEqual([
      ['resource.locked', 2],
      ['resource.unlocked', 2],
    ])
  })

  test('by a nested shared lock does not depend on whether a writer waits', async () => {
    const [a, b] = managers(2) as Pair
    await a.withLock('x', { agentId, mode: 'shared' }, async () => {
      const writer = b.detached(() => b.acquire('x', { agentId: 'writer' }))
      await waitersOf(a, 'x', 1)
      const nested = await a.acquire('x', { agentId, mode: 'shared', waitTimeout: 0 })
      expect(nested.isHeld).toBe(true)
      await nested.release()
      void writer.then((lock) => lock.release())
    })
  })
})

describe('an activity', () => {
  test('is not inherited by what detached() starts', async () => {
    const locks = manager()
    await locks.withLock('x', { agentId }, async () => {
      expect(await locks.tryAcquire('x', { agentId, reentrant: true })).not.toBeNull()
      const outside = locks.detached(() => locks.tryAcquire('x', { agentId, reentrant: true }))
      expect(await outside).toBeNull()
    })
    expect(locks.detached(() => 5)).toBe(5)
  })

  test('is not inherited by event handlers nor by whoever is told of a wanted lock', async () => {
    const bus = new EventBus()
    const locks = manager({ eventBus: bus })
    const inHandler = new Promise<Lock | null>((resolve, reject) => {
      bus.subscribe('resource.locked', () => {
        locks.tryAcquire('x', { agentId, reentrant: true }).then(resolve, reject)
      })
    })
    await locks.withLock('x', { agentId }, async () => {
      expect(await inHandler).toBeNull()
    })
  })

  test('survives awaits, timers and nested calls', async () => {
    const locks = manager()
    await locks.withLock('x', { agentId }, async () => {
      await new Promise((resolve) => void setImmediate(resolve))
      expect(await locks.tryAcquire('x', { agentId, reentrant: true })).not.toBeNull()
      await locks.withLock('y', { agentId }, async () => {
        expect(await locks.tryAcquire('x', { agentId, reentrant: true })).not.toBeNull()
      })
    })
  })

  test('with two open requests is not sequential, so nothing is called a deadlock', async () => {
    const [a, b] = managers(2) as Pair
    const bus = new EventBus()
    const other = manager({ eventBus: bus })
    expect(await other.isLocked('x')).toBe(false)
    const one = a.agent('one')
    const two = b.agent('two')
    await one.acquire('x')
    const y = await two.acquire('y')
    await two.acquire('z')
    const [p, q] = [one.acquire('y'), one.acquire('z', { waitTimeout: '50ms' })]
    await waitersOf(a, 'z', 1)
    const third = two.acquire('x', { waitTimeout: '20ms' })
    expect(await failure(() => third)).toMatchObject({ code: 'WAIT_TIMEOUT' })
    expect(await failure(() => q)).toMatchObject({ code: 'WAIT_TIMEOUT' })
    await y.release()
    await p
  })
})

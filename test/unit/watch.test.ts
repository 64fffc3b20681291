import { describe, expect, test } from 'vitest'
import type { WatchOptions } from '../../src/core/inspection/inspection.ts'
import type { GapEvent, LockEvent } from '../../src/core/model.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { driverWithFaults, Faults, refused } from '../support/faulty-store.ts'
import { failure, manager, managers, waitersOf } from '../support/managers.ts'

type Pair = [ResourceLockManager, ResourceLockManager]
const agentId = 'agent-a'

/** The next events, as many as asked for. */
async function take(events: AsyncGenerator<LockEvent | GapEvent>, count: number): Promise<(LockEvent | GapEvent)[]> {
  const taken: (LockEvent | GapEvent)[] = []
  while (taken.length < count) {
    const next = await events.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}

/** Starts to watch; resolves when it has begun. */
async function begun(locks: ResourceLockManager, watcher: ResourceLockManager, options: WatchOptions = {}) {
  const events = watcher.watch(options)
  const first = events.next()
  // The watch starts with its first read: what was locked before that read is answered may not be in it.
  await watcher.isLocked('x')
  await new Promise((resolve) => void setImmediate(resolve))
  await locks.isLocked('x')
  return { events, first }
}

describe('watch', () => {
  test('gives the events of every manager, from now on', async () => {
    const [a, b] = managers(2) as Pair
    await (await a.acquire('before', { agentId })).release()
    const { events, first } = await begun(a, b)
    const lock = await a.acquire('file:a.ts', { agentId, reason: 'why', metadata: { step: 1 } })
    await lock.extend()
    await lock.release()
    const seen = [(await first).value as LockEvent, ...((await take(events, 2)) as LockEvent[])]
    expect(seen.map(({ type }) => type)).toEqual(['resource.locked', 'resource.extended', 'resource.unlocked'])
    expect(seen[0]).toEqual({
      cursor: expect.any(String),
      type: 'resource.locked',
      at: expect.any(Date),
      agentId,
      fencingToken: lock.fencingToken,
      resources: [{ resourceId: 'file:a.ts', mode: 'exclusive', scope: 'node' }],
      reason: 'why',
      metadata: { step: 1 },
      waitedMs: 0,
    })
    expect(seen[2]).toMatchObject({ heldMs: expect.any(Number), fencingToken: lock.fencingToken })
    await events.return()
  })

  test('goes on after a cursor', async () => {
    const [a, b] = managers(2) as Pair
    const { events, first } = await begun(a, b)
    for (const name of ['one', 'two', 'three']) await (await a.acquire(name, { agentId })).release()
    const seen = [(await first).value as LockEvent, ...((await take(events, 5)) as LockEvent[])]
    await events.return()
    const later = a.watch({ since: seen[1]?.cursor ?? '' })
    expect(await take(later, 4)).toEqual(seen.slice(2))
    await later.return()
  })

  test('says once that there is a gap where the log was cut, or is another one, and goes on', async () => {
    const store = memoryStore({ limits: { events: 4 } })
    const [a, b] = [manager({ store }), manager({ store })]
    const { events, first } = await begun(a, b)
    const lock = await a.acquire('x', { agentId })
    const since = ((await first).value as LockEvent).cursor ?? ''
    await events.return()
    await lock.release()
    for (let round = 0; round < 5; round += 1) await (await a.acquire('y', { agentId })).release()
    for (const cursor of [since, 'ffffffffffffffffffffffffffffffff.3', 'nonsense']) {
      const later = b.watch({ since: cursor })
      const seen = await take(later, 5)
      expect(seen.map(({ type }) => type)).toEqual([
        'gap',
        'resource.locked',
        'resource.unlocked',
        'resource.locked',
        'resource.unlocked',
      ])
      await later.return()
    }
  })

  test('gives more events than fit into one answer', async () => {
    const [a, b] = managers(2) as Pair
    const { events, first } = await begun(a, b)
    await Promise.all(Array.from({ length: 700 }, (_, n) => a.acquire(`x:${n}`, { agentId })))
    await first
    expect(await take(events, 699)).toHaveLength(699)
    await events.return()
  })

  test('tells of waiting, abandoning, forcing and who did it', async () => {
    const [a, b] = managers(2) as Pair
    const { events, first } = await begun(a, b)
    await a.acquire('x', { agentId: 'holder' })
    await failure(() => a.acquire('x', { agentId: 'waiter', waitTimeout: '5ms' }))
    await a.forceUnlock('x', { adminAgentId: 'admin', reason: 'stuck' })
    await first
    expect(await take(events, 3)).toMatchObject([
      { type: 'resource.waiting', agentId: 'waiter' },
      { type: 'resource.abandoned', agentId: 'waiter', waitedMs: expect.any(Number) },
      { type: 'resource.unlocked', agentId: 'holder', forced: { by: 'admin', reason: 'stuck' } },
    ])
    await events.return()
  })

  test('ends silently on abort: before, while it waits, and between events', async () => {
    const locks = manager()
    expect(await locks.watch({ signal: AbortSignal.abort() }).next()).toEqual({ done: true, value: undefined })
    const controller = new AbortController()
    const waiting = await begun(locks, locks, { signal: controller.signal })
    controller.abort()
    expect((await waiting.first).done).toBe(true)
    const second = new AbortController()
    const { events, first } = await begun(locks, locks, { signal: second.signal })
    await locks.acquire(['x'], { agentId })
    await locks.acquire(['y'], { agentId })
    await first
    second.abort()
    expect(await take(events, 5)).toEqual([])
  })

  test('ends when the manager is closed, and leaves no subscription', async () => {
    const faults = new Faults()
    const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
    const { events, first } = await begun(locks, locks)
    expect(faults.openSubscriptions).toBe(1)
    await locks.close()
    expect((await first).done).toBe(true)
    expect((await events.next()).done).toBe(true)
    expect(faults.openSubscriptions).toBe(0)
    expect(await failure(() => locks.watch().next())).toMatchObject({ code: 'CLOSED' })
  })

  test('rejects where the store fails, and can go on from the last cursor', async () => {
    const faults = new Faults()
    const store = memoryStore()
    const watcher = manager({ store: driverWithFaults(store, faults) })
    const other = manager({ store })
    const { events, first } = await begun(other, watcher)
    const lock = await other.acquire('x', { agentId })
    const { cursor } = (await first).value as LockEvent
    const next = events.next()
    await watcher.isLocked('x')
    faults.onApply = refused
    await lock.release()
    expect(await failure(() => next)).toMatchObject({ code: 'UNAVAILABLE' })
    faults.onApply = (_batch, apply) => apply()
    const again = watcher.watch({ since: cursor ?? '' })
    expect(await take(again, 1)).toMatchObject([{ type: 'resource.unlocked' }])
    await again.return()
    expect(faults.openSubscriptions).toBe(0)
  })

  test.for([[{ from: 'now' }], [{ since: 5 }], [{ since: '' }], [{ signal: {} }], [null]])(
    'refuses %o',
    async ([options]) => {
      const locks = manager()
      expect(await failure(() => locks.watch(options as WatchOptions).next())).toMatchObject({ code: 'INVALID' })
    },
  )

  test('is silent where the log is switched off', async () => {
    const store = memoryStore({ limits: { events: 0 } })
    const [a, b] = [manager({ store }), manager({ store })]
    const controller = new AbortController()
    const { first } = await begun(a, b, { signal: controller.signal })
    await a.acquire('x', { agentId })
    const waiting = b.acquire('x', { agentId, waitTimeout: '1s', signal: controller.signal }).catch(() => {})
    await waitersOf(a, 'x', 1)
    controller.abort()
    await waiting
    expect((await first).done).toBe(true)
  })
})

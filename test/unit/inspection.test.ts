import { describe, expect, test } from 'vitest'
import type { ForceUnlockOptions } from '../../src/core/inspection/inspection.ts'
import type { LockInfo } from '../../src/core/model.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { failure, manager, managers, waitersOf } from '../support/managers.ts'

const agentId = 'agent-a'
type Pair = [ResourceLockManager, ResourceLockManager]

async function listed(locks: ResourceLockManager, options?: object): Promise<string[]> {
  const found: string[] = []
  for await (const info of locks.listLocks(options)) found.push(info.resourceId)
  return found
}

describe('isLocked, getOwner and getLockInfo', () => {
  test('say nothing of what nobody holds', async () => {
    const locks = manager()
    expect([await locks.isLocked('x'), await locks.getOwner('x'), await locks.getLockInfo('x')]).toEqual([
      false,
      null,
      null,
    ])
  })

  test('see any lease that covers the resource, of whatever manager', async () => {
    const [a, b] = managers(2) as Pair
    await a.acquire('file:src/**', { agentId, reason: 'why', metadata: { step: [1, 'two'] } })
    for (const id of ['file:src', 'file:src/a.ts', 'file:./src//a.ts', 'file:src/**', 'file:src/deep/**']) {
      expect([id, await b.isLocked(id)]).toEqual([id, true])
      expect([id, await b.getOwner(id)]).toEqual([id, agentId])
    }
    for (const id of ['file:', 'file:**', 'file:srcs', 'src', 'file:source/a.ts'])
      expect([id, await b.isLocked(id)]).toEqual([id, false])
    expect(await b.getLockInfo('file:src/a.ts')).toEqual({
      resourceId: 'file:src',
      scope: 'tree',
      mode: 'exclusive',
      agentId,
      reason: 'why',
      metadata: { step: [1, 'two'] },
      lockedAt: expect.any(Date),
      expiresAt: expect.any(Date),
      fencingToken: expect.any(Number),
      resources: [{ resourceId: 'file:src', scope: 'tree', mode: 'exclusive' }],
      waiters: 0,
    })
  })

  test('leave out reason and metadata where there are none', async () => {
    const locks = manager()
    await locks.acquire('x', { agentId })
    expect(Object.keys((await locks.getLockInfo('x')) ?? {})).not.toContain('reason')
    expect(Object.keys((await locks.getLockInfo('x')) ?? {})).not.toContain('metadata')
  })

  test('do not count waiters as holders, and count them as waiters', async () => {
    const [a, b] = managers(2) as Pair
    const lock = await a.acquire('x', { agentId: 'reader', mode: 'shared' })
    const waiting = b.acquire(['x', 'y'], { agentId: 'writer' })
    await waitersOf(a, 'x', 1)
    expect(await a.isLocked('y')).toBe(false)
    expect(await a.getOwner('x')).toBe('reader')
    await lock.release()
    await (await waiting).release()
  })

  test('name the earliest of several readers', async () => {
    const [a, b] = managers(2) as Pair
    const first = await b.acquire('x', { agentId: 'first', mode: 'shared' })
    await a.acquire('x', { agentId: 'second', mode: 'shared' })
    expect(await a.getOwner('x')).toBe('first')
    await first.release()
    expect(await a.getOwner('x')).toBe('second')
  })

  test.for([undefined, null, 5, '', ':', 'file:../x', 'a\u0000b', 'x'.repeat(1025)])('refuse %o', async (id) => {
    const locks = manager()
    for (const name of ['isLocked', 'getOwner', 'getLockInfo'] as const) {
      expect(await failure(() => locks[name](id as string))).toMatchObject({ code: 'INVALID' })
    }
  })
})

describe('listLocks', () => {
  test('lists one entry per claim, more than fit into one answer, in the order of their ids', async () => {
    const locks = manager()
    const names = Array.from({ length: 700 }, (_, index) => `x:${String(index).padStart(4, '0')}`)
    for (let from = 0; from < names.length; from += 100) {
      await locks.acquire(names.slice(from, from + 100), { agentId })
    }
    expect(await listed(locks)).toEqual(names)
  })

  test('filters by agent, type and prefix, all together', async () => {
    const locks = manager()
    await locks.acquire(['file:src/a.ts', 'file:src/b.ts', 'file:test/a.ts', 'port:80'], { agentId: 'one' })
    await locks.acquire(['file:src/c.ts', 'filed:x'], { agentId: 'two' })
    expect(await listed(locks, { agentId: 'two' })).toEqual(['file:src/c.ts', 'filed:x'])
    expect(await listed(locks, { resourceType: 'port' })).toEqual(['port:80'])
    expect(await listed(locks, { resourceType: 'file' })).toHaveLength(4)
    expect(await listed(locks, { prefix: 'file:src/' })).toHaveLength(3)
    expect(await listed(locks, { prefix: 'file', resourceType: 'filed' })).toEqual(['filed:x'])
    expect(await listed(locks, { prefix: 'file:', agentId: 'one', resourceType: 'file' })).toHaveLength(3)
    expect(await listed(locks, { prefix: 'port:', resourceType: 'file' })).toEqual([])
    expect(await listed(locks, { agentId: 'nobody' })).toEqual([])
  })

  test.for([[{ agent: 'x' }], [null], [{ prefix: 5 }], [{ agentId: 5 }], [{ resourceType: null }]])(
    'refuses %o, when it is first asked',
    async ([options]) => {
      const locks = manager()
      const list = locks.listLocks(options as object)
      expect(await failure(() => list.next())).toMatchObject({ code: 'INVALID' })
    },
  )

  test('may be left early', async () => {
    const locks = manager()
    await locks.acquire(['x', 'y', 'z'], { agentId })
    for await (const info of locks.listLocks()) {
      expect(info.resourceId).toBe('resource:x')
      break
    }
  })
})

describe('findStaleLocks', () => {
  test('finds locks that are older than maxAge, however often they were extended', async () => {
    let now = 1_000
    const locks = manager({ store: memoryStore({ clock: { leaseMs: () => now, wallMs: () => now + 1e12 } }) })
    const old = await locks.acquire('old', { agentId, timeout: '1h' })
    now += 600_000
    await locks.acquire('new', { agentId, timeout: '1h' })
    await old.extend('1h')
    const stale = await locks.findStaleLocks({ maxAge: '10m' })
    expect(stale.map(({ resourceId }) => resourceId)).toEqual(['resource:old'])
    expect(await locks.findStaleLocks({ maxAge: '601s' })).toEqual([])
    expect(await locks.findStaleLocks({ maxAge: '0s' })).toHaveLength(2)
  })

  test.for([[undefined], [{}], [{ maxAge: 600 }], [{ maxAge: '10m', type: 'x' }]])('refuses %o', async ([options]) => {
    const error = await failure(() => manager().findStaleLocks(options as { maxAge: '1s' }))
    expect(error).toMatchObject({ code: 'INVALID' })
  })
})

describe('forceUnlock', () => {
  const options = { adminAgentId: 'admin', reason: 'stuck' }

  test('ends every lease that covers the resource, tells what it ended, and grants the next in line', async () => {
    const [a, b] = managers(2) as Pair
    const tree = await a.acquire('file:src/**', { agentId: 'tree', mode: 'shared' })
    const leaf = await a.acquire('file:src/a.ts', { agentId: 'leaf', mode: 'shared' })
    const other = await a.acquire('file:src/b.ts', { agentId: 'other', mode: 'shared' })
    const next = b.acquire('file:src/a.ts', { agentId: 'next' })
    await waitersOf(a, 'file:src/a.ts', 1)
    const ended: LockInfo[] = await b.forceUnlock('file:src/a.ts', options)
    expect(ended.map((info) => info.agentId).toSorted()).toEqual(['leaf', 'tree'])
    expect(ended[0]).toMatchObject({ fencingToken: expect.any(Number), lockedAt: expect.any(Date) })
    expect((await next).isHeld).toBe(true)
    await expect.poll(() => [tree.isHeld, leaf.isHeld, other.isHeld]).toEqual([false, false, true])
  })

  test("with a fencing token spares a successor's fresh lease", async () => {
    const [a, b] = managers(2) as Pair
    const old = await a.acquire('x', { agentId: 'old' })
    await old.release()
    const fresh = await a.acquire('x', { agentId: 'fresh' })
    expect(await b.forceUnlock('x', { ...options, fencingToken: old.fencingToken })).toEqual([])
    expect(fresh.isHeld).toBe(true)
    expect(await b.forceUnlock('x', { ...options, fencingToken: fresh.fencingToken })).toHaveLength(1)
    expect(await a.isLocked('x')).toBe(false)
  })

  test('ends more leases than one step may', async () => {
    const [a, b] = managers(2) as Pair
    await Promise.all(Array.from({ length: 300 }, (_, n) => a.acquire('x', { agentId: `a${n}`, mode: 'shared' })))
    expect(await b.forceUnlock('x', options)).toHaveLength(300)
    expect(await b.isLocked('x')).toBe(false)
  })

  test('of what nobody holds ends nothing', async () => {
    expect(await manager().forceUnlock('x', options)).toEqual([])
  })

  test.for([
    [undefined],
    [{ adminAgentId: 'admin' }],
    [{ reason: 'stuck' }],
    [{ adminAgentId: '', reason: 'stuck' }],
    [{ adminAgentId: 'admin', reason: '' }],
    [{ adminAgentId: 'admin', reason: 'stuck', fencingToken: '5' }],
    [{ adminAgentId: 'admin', reason: 'stuck', token: 5 }],
  ])('refuses %o', async ([given]) => {
    const error = await failure(() => manager().forceUnlock('x', given as ForceUnlockOptions))
    expect(error).toMatchObject({ code: 'INVALID' })
  })
})

import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 150

export const expiryTopic: ContractTopic = {
  topic: 'expiry and extension',
  cases: [
    {
      title: 'from its expiry on a lease is gone on every surface',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { ttlMs: SOON_MS })
        await world.advance(SOON_MS)
        const { outcomes } = await b.send([
          { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 10, waiters: 10 },
          { type: 'list', prefix: '', agentId: null, minAgeMs: 0, after: null },
          { type: 'force', resourceId: 'file:x', scope: 'node', fence: null, by: 'b', reason: '' },
          { type: 'extend', id: lock.id, token: lock.token, fence: null, ttlMs: 5000, automatic: false },
          { type: 'extend', id: lock.id, token: lock.token, fence: null, ttlMs: 0, automatic: false },
          { type: 'release', id: lock.id, token: lock.token, expired: false },
          b.asking('file:x', { waitMs: 0 }),
        ])
        expect(outcomes).toMatchObject([
          { leases: [] },
          { leases: [] },
          { ended: [] },
          { type: 'gone' },
          { type: 'gone' },
          { type: 'released', released: false },
          { type: 'granted' },
        ])
      },
    },
    {
      title: 'before its expiry a lease stands on every surface',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { ttlMs: 20_000 })
        await world.advance(SOON_MS)
        expect((await b.inspect('file:x')).leases).toMatchObject([{ expiresAt: lock.expiresAt }])
        expect((await b.list()).leases).toHaveLength(1)
        expect(await b.attempt('file:x')).toBeUndefined()
        expect(await a.extend(lock, 0)).toEqual({ type: 'extended', expiresAt: lock.expiresAt, cursor: null })
      },
    },
    {
      title: 'an expiry is reported exactly once, by whichever step meets it first, and its holder is told',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { cursor } = await b.events(null)
        const lock = await a.acquire('file:x', { ttlMs: SOON_MS })
        await world.advance(SOON_MS)
        await b.inspect('file:x')
        await a.release(lock)
        await b.acquire('file:x')
        await b.list()
        const { events } = await b.events(cursor)
        expect(events.map(({ type, fence }) => [type, fence === lock.fence])).toEqual([
          ['resource.locked', true],
          ['resource.expired', true],
          ['resource.locked', false],
        ])
        const [lost, ...others] = await a.told(lock)
        expect(lost).toMatchObject({ type: 'lost', loss: { kind: 'expired' }, heldMs: SOON_MS })
        expect(lost).toMatchObject({ cursor: events[1]?.cursor })
        expect(others).toEqual([])
      },
    },
    {
      title: 'an expiry grants the next in the step that meets it',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { ttlMs: SOON_MS })
        const place = await b.queue('file:x')
        await world.advance(SOON_MS)
        await c.heartbeat()
        await b.granted(place)
      },
    },
    {
      title: 'a waiter is told when the lease that it waits for will expire',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        expect((await b.heartbeat()).wakeAt).toBeNull()
        const lock = await a.acquire('file:x', { ttlMs: 20_000 })
        await a.acquire('file:y', { ttlMs: 10_000 })
        const { wakeAt } = await b.send([b.asking('file:x')])
        expect(wakeAt).toBe(lock.expiresAt)
        const extended = await a.extend(lock, 40_000)
        expect((await b.heartbeat()).wakeAt).toBe((extended as { readonly expiresAt: number }).expiresAt)
        expect((await a.heartbeat()).wakeAt).toBeNull()
      },
    },
    {
      title: 'a waiter behind another is told when the lease in front will expire too',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x', { ttlMs: 20_000 })
        await b.queue('file:x')
        await c.queue('file:x')
        expect((await c.heartbeat()).wakeAt).toBe(lock.expiresAt)
        await a.release(lock)
        const [message] = await b.told({ id: lock.id + 1 }, 'granted')
        expect((await c.heartbeat()).wakeAt).toBeLessThanOrEqual(
          (message as unknown as { expiresAt: number }).expiresAt + 30_000,
        )
        expect((await c.heartbeat()).wakeAt).not.toBeNull()
      },
    },
    {
      title: 'extend sets the expiry to now and the given time',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { ttlMs: 10_000 })
        await world.advance(20)
        const { now, outcomes } = await a.send([
          { type: 'extend', id: lock.id, token: lock.token, fence: null, ttlMs: 50_000, automatic: false },
        ])
        expect(outcomes).toMatchObject([{ type: 'extended', expiresAt: now + 50_000 }])
        expect((await a.inspect('file:x')).leases).toMatchObject([{ expiresAt: now + 50_000 }])
      },
    },
    {
      title: 'extend never moves the expiry earlier than it stands',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { ttlMs: 10_000 })
        expect(await a.extend(lock, 1000)).toMatchObject({ type: 'extended', expiresAt: lock.expiresAt })
        expect((await a.inspect('file:x')).leases).toMatchObject([{ expiresAt: lock.expiresAt }])
      },
    },
    {
      title: 'extending for no time only asks whether the lease is live',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { ttlMs: 10_000 })
        const { cursor } = await a.events(null)
        expect(await a.extend(lock, 0)).toEqual({ type: 'extended', expiresAt: lock.expiresAt, cursor: null })
        expect((await a.events(cursor)).events).toEqual([])
      },
    },
    {
      title: 'maxHold caps the expiry, counted from the grant, however often the lease is extended',
      run: async (world) => {
        const [a] = world.sessions('a')
        const step = a.asking('file:x', { ttlMs: 10_000, maxHoldMs: 15_000 })
        const { now, outcomes } = await a.send([step])
        expect(outcomes).toMatchObject([{ type: 'granted', expiresAt: now + 10_000 }])
        const [outcome] = outcomes ?? []
        const lock = { id: outcome?.type === 'granted' ? outcome.id : 0, token: step.token }
        await world.advance(SOON_MS)
        expect(await a.extend(lock, 60_000)).toMatchObject({ type: 'extended', expiresAt: now + 15_000 })
        expect(await a.extend(lock, 60_000)).toMatchObject({ type: 'extended', expiresAt: now + 15_000 })
      },
    },
    {
      title: 'maxHold shorter than the lease caps the lease itself',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { now, outcomes } = await a.send([a.asking('file:x', { ttlMs: 10_000, maxHoldMs: 2000 })])
        expect(outcomes).toMatchObject([{ type: 'granted', expiresAt: now + 2000 }])
      },
    },
    {
      title: 'a lease cannot be extended after maxHold has ended it',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { ttlMs: SOON_MS, maxHoldMs: SOON_MS })
        await a.extend(lock, 10_000)
        await world.advance(SOON_MS)
        expect(await a.extend(lock, 10_000)).toEqual({ type: 'gone' })
      },
    },
    {
      title: 'an extended lease lives past its first expiry',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { ttlMs: SOON_MS })
        await a.extend(lock, 20_000, true)
        await world.advance(SOON_MS)
        expect(await b.attempt('file:x')).toBeUndefined()
        expect(await a.release(lock)).toMatchObject({ released: true })
      },
    },
    {
      title: 'explicit extensions are logged, automatic renewals are not',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        const { cursor } = await a.events(null)
        expect(await a.extend(lock, 40_000, true)).toMatchObject({ type: 'extended', cursor: null })
        const extended = await a.extend(lock, 50_000)
        const { events } = await a.events(cursor)
        expect(events).toMatchObject([{ type: 'resource.extended', fence: lock.fence }])
        expect(extended).toMatchObject({ cursor: events[0]?.cursor })
      },
    },
    {
      title: 'a lease may be as short as a millisecond',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x', { ttlMs: 1 })
        await world.advance(1)
        await b.acquire('file:x')
      },
    },
  ],
}

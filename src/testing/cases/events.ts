import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 120

export const eventTopic: ContractTopic = {
  topic: 'events',
  cases: [
    {
      title: 'reading from the end gives no event and the cursor to go on from',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x')
        const end = await a.events(null)
        expect(end).toMatchObject({ events: [], gap: false })
        await a.acquire('file:y')
        const { events, gap, cursor } = await a.events(end.cursor)
        expect(gap).toBe(false)
        expect(events).toMatchObject([{ type: 'resource.locked', claims: [{ resourceId: 'file:y' }] }])
        expect(cursor).toBe(events[0]?.cursor)
        expect(await a.events(cursor)).toEqual({ type: 'events', events: [], cursor, gap: false })
      },
    },
    {
      title: 'every change is logged, in the order in which it happened',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const { cursor } = await c.events(null)
        const lock = await a.acquire('file:x', { chain: 'a' })
        const place = await b.queue('file:x')
        const left = await c.queue('file:x')
        await c.cancel(left)
        await a.extend(lock, 60_000)
        await a.ask('file:x', { chain: 'a' })
        await a.release(lock)
        await b.granted(place)
        await c.force('file:x')
        await a.acquire('file:x', { ttlMs: SOON_MS })
        await world.advance(SOON_MS)
        await c.heartbeat()
        const { events } = await c.events(cursor)
        expect(events.map(({ type, agentId }) => `${agentId} ${type.replace('resource.', '')}`)).toEqual([
          'a locked',
          'b waiting',
          'c waiting',
          'c abandoned',
          'a extended',
          'a deadlock',
          'a unlocked',
          'b locked',
          'b unlocked',
          'a locked',
          'a expired',
        ])
      },
    },
    {
      title: 'an event says who, what, since when and why',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const { cursor } = await a.events(null)
        const lock = await a.acquire('file:x/**', { reason: 'why', metadata: '{"k":[1]}' })
        const claims = [{ resourceId: 'file:x', mode: 'exclusive', scope: 'tree' }]
        const place = await b.queue('file:x/y')
        await world.advance(30)
        await admin.force('file:x')
        const held = await b.granted(place)
        const { events } = await a.events(cursor)
        const mine = { agentId: 'a', claims, fence: lock.fence, reason: 'why', metadata: '{"k":[1]}' }
        expect(events).toMatchObject([
          { ...mine, type: 'resource.locked', waitedMs: 0, heldMs: null, forced: null, wallAt: lock.wallLockedAt },
          { type: 'resource.waiting', agentId: 'b', fence: null, reason: null, waitedMs: null },
          { ...mine, type: 'resource.unlocked', waitedMs: null, forced: { by: 'admin', reason: 'stuck' } },
          { type: 'resource.locked', agentId: 'b', fence: held.fence, waitedMs: held.waitedMs },
        ])
        expect(events[2]?.heldMs).toBeGreaterThanOrEqual(30)
        expect(held.waitedMs).toBeGreaterThanOrEqual(30)
        expect(lock.cursor).toBe(events[0]?.cursor)
        expect(held.cursor).toBe(events[3]?.cursor)
      },
    },
    {
      title: 'each lease ends with exactly one of unlocked or expired',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        const { cursor } = await a.events(null)
        const released = await a.acquire('file:a')
        await a.release(released)
        await a.release(released)
        const forced = await a.acquire('file:b')
        await admin.force('file:b')
        await a.release(forced)
        const expired = await a.acquire('file:c', { ttlMs: SOON_MS })
        await world.advance(SOON_MS)
        await a.release(expired)
        await admin.force('file:c')
        const handed = await a.acquire('file:d')
        await a.handBack(handed)
        await a.cancel(handed)
        const cancelled = await a.acquire('file:e')
        await a.cancel(cancelled)
        await a.release(cancelled)
        const { events } = await a.events(cursor)
        const ends = events.filter(({ type }) => type !== 'resource.locked')
        expect(ends.map(({ type, fence }) => [type, fence])).toEqual([
          ['resource.unlocked', released.fence],
          ['resource.unlocked', forced.fence],
          ['resource.expired', expired.fence],
          ['resource.unlocked', handed.fence],
          ['resource.unlocked', cancelled.fence],
        ])
      },
    },
    {
      title: 'whoever leaves a line is logged as abandoned, once: cancelled, timed out or dead',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const d = world.session('d', { deadMs: SOON_MS })
        await a.acquire('file:x')
        const { cursor } = await a.events(null)
        await d.queue('file:x')
        await c.queue('file:x', { waitMs: SOON_MS })
        await b.cancel(await b.queue('file:x'))
        await world.advance(SOON_MS)
        await a.heartbeat()
        await d.heartbeat()
        const { events } = await a.events(cursor)
        const abandoned = events.filter(({ type }) => type === 'resource.abandoned')
        expect(abandoned.map(({ agentId }) => agentId).toSorted()).toEqual(['b', 'c', 'd'])
        for (const { agentId, waitedMs } of abandoned)
          if (agentId !== 'b') expect(waitedMs).toBeGreaterThanOrEqual(SOON_MS)
      },
    },
    {
      title: 'a request that was busy, or that looked, is not logged',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x')
        const { cursor } = await a.events(null)
        await b.attempt('file:x')
        await b.inspect('file:x')
        await b.list()
        await b.heartbeat()
        expect((await a.events(cursor)).events).toEqual([])
      },
    },
    {
      title: 'cursors are different, and reading from any of them goes on right behind it',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { cursor } = await a.events(null)
        for (const name of ['x', 'y', 'z']) await a.acquire(`file:${name}`)
        const { events } = await a.events(cursor)
        expect(new Set(events.map((event) => event.cursor)).size).toBe(3)
        expect((await a.events(events[0]?.cursor ?? '')).events).toEqual(events.slice(1))
      },
    },
    {
      title: 'events come in pages as large as asked for',
      run: async (world) => {
        const [a] = world.sessions('a')
        let { cursor } = await a.events(null)
        for (let index = 0; index < 5; index += 1) await a.acquire(`file:${index}`)
        const seen = []
        for (let page = await a.events(cursor, 2); page.events.length > 0; page = await a.events(cursor, 2)) {
          expect(page.events.length).toBeLessThanOrEqual(2)
          seen.push(...page.events.map(({ claims }) => claims[0]?.resourceId))
          cursor = page.cursor
        }
        expect(seen).toEqual(['file:0', 'file:1', 'file:2', 'file:3', 'file:4'])
      },
    },
    {
      title: 'a reader behind the bounded log gets a gap and then what is left',
      limits: { events: 10 },
      run: async (world) => {
        const [a] = world.sessions('a')
        const { cursor } = await a.events(null)
        for (let index = 0; index < 50; index += 1) await a.acquire(`file:${index}`)
        const cut = await a.events(cursor)
        expect(cut).toMatchObject({ events: [], gap: true })
        const { events, gap, cursor: next } = await a.events(cut.cursor)
        expect(gap).toBe(false)
        expect(events).toHaveLength(10)
        expect(events.at(-1)).toMatchObject({ claims: [{ resourceId: 'file:49' }] })
        expect(await a.events(next)).toMatchObject({ events: [], gap: false })
      },
    },
    {
      title: 'a reader that keeps up with the bounded log gets no gap',
      limits: { events: 10 },
      run: async (world) => {
        const [a] = world.sessions('a')
        let { cursor } = await a.events(null)
        for (let index = 0; index < 30; index += 1) {
          await a.acquire(`file:${index}`)
          if (index % 10 !== 9) continue
          const page = await a.events(cursor)
          expect(page.gap).toBe(false)
          expect(page.events).toHaveLength(10)
          cursor = page.cursor
        }
      },
    },
    {
      title:
        'a cursor of another epoch, from beyond the end, or that no log ever gave, is answered with a gap and what there is',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x')
        const { cursor } = await a.events(null)
        const beyond = cursor.replace(/[0-9]+$/, '999999')
        const foreign = cursor.replace(/^./, (first) => (first === '0' ? '1' : '0'))
        for (const odd of [foreign, beyond, '', 'garbage', `${cursor}x`, cursor.toUpperCase() + ' ', '9'.repeat(400)]) {
          const outcome = await a.events(odd)
          expect(outcome, `for the cursor ${odd}`).toMatchObject({ gap: true, events: [] })
          const rest = await a.events(outcome.cursor)
          expect(rest).toMatchObject({ gap: false, cursor })
          expect(rest.events).toHaveLength(1)
        }
      },
    },
    {
      title: 'events are logged in the same step: whoever sees the change sees the event',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { store: await world.connect() })
        const { cursor } = await b.events(null)
        await a.acquire('file:x')
        const { outcomes } = await b.send([
          { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 1, waiters: 0 },
          { type: 'readEvents', since: cursor, limit: 10 },
        ])
        expect(outcomes).toMatchObject([{ leases: [{ agentId: 'a' }] }, { events: [{ type: 'resource.locked' }] }])
      },
    },
    {
      title: 'the log can be switched off: nothing is logged and no cursor is given',
      limits: { events: 0 },
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { cursor } = await a.events(null)
        const lock = await a.acquire('file:x')
        expect(lock.cursor).toBeNull()
        const place = await b.queue('file:x')
        expect(await a.extend(lock, 60_000)).toMatchObject({ cursor: null })
        expect(await a.release(lock)).toMatchObject({ released: true, cursor: null })
        expect((await b.granted(place)).cursor).toBeNull()
        expect(await a.acquire('file:y')).toMatchObject({ cursor: null })
        expect((await a.events(cursor)).events).toEqual([])
      },
    },
  ],
}

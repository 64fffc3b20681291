import type { Step } from '../../core/store.ts'
import type { Actor, Held } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const WRONG = 'wrong-token-0123456789'

async function holds(looker: Actor, lock: Held): Promise<void> {
  const { leases } = await looker.inspect('file:x')
  expect(leases).toMatchObject([{ fence: lock.fence, expiresAt: lock.expiresAt }])
}

export const ownershipTopic: ContractTopic = {
  topic: 'ownership',
  cases: [
    {
      title: 'only the ownership token can extend',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        expect(await b.extend({ id: lock.id, token: WRONG }, 60_000)).toEqual({ type: 'gone' })
        expect(await a.extend({ id: lock.id, token: WRONG }, 60_000)).toEqual({ type: 'gone' })
        await holds(b, lock)
      },
    },
    {
      title: 'only the ownership token can release',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        expect(await b.release({ id: lock.id, token: WRONG })).toMatchObject({
          released: false,
          shared: false,
          cursor: null,
        })
        expect(await a.release({ id: lock.id, token: '' })).toMatchObject({ released: false })
        await holds(b, lock)
      },
    },
    {
      title: 'only the ownership token can cancel, whether the request waits or is held',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        expect(await c.cancel({ id: place.id, token: WRONG })).toMatchObject({ cursor: null })
        expect(await c.cancel({ id: lock.id, token: WRONG })).toMatchObject({ cursor: null })
        await holds(c, lock)
        await a.release(lock)
        await b.granted(place)
      },
    },
    {
      title: 'whoever has the token owns the lease, from any session',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        expect(await b.extend(lock, 60_000)).toMatchObject({ type: 'extended' })
        expect(await b.release(lock)).toMatchObject({ released: true })
      },
    },
    {
      title: 'a token of one lease is no good for another',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const mine = await a.acquire('file:y')
        const lock = await b.acquire('file:x')
        expect(await a.release({ id: lock.id, token: mine.token })).toMatchObject({ released: false })
        await holds(a, lock)
      },
    },
    {
      title: 'releasing what is no longer held does nothing to its present owner, and says so',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        expect(await a.release(lock)).toMatchObject({ type: 'released', released: true, shared: false })
        const successor = await b.acquire('file:x')
        expect(await a.release(lock)).toMatchObject({ type: 'released', released: false, cursor: null })
        expect(await a.extend(lock, 60_000)).toEqual({ type: 'gone' })
        await holds(a, successor)
      },
    },
    {
      title: 'a release says how long the lease was held',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        await world.advance(30)
        const { heldMs } = await a.release(lock)
        expect(heldMs).toBeGreaterThanOrEqual(30)
        expect(heldMs).toBeLessThan(10_000)
      },
    },
    {
      title: 'a lease that its client took for over ends as expired',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const { cursor } = await a.events(null)
        const place = await b.queue('file:x')
        expect(await a.release(lock, true)).toMatchObject({ released: true, shared: false })
        await b.granted(place)
        const { events } = await a.events(cursor)
        expect(events).toMatchObject([
          { type: 'resource.waiting' },
          { type: 'resource.expired', fence: lock.fence },
          { type: 'resource.locked' },
        ])
      },
    },
    {
      title: 'a waiting request can be neither released nor extended',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        expect(await b.release(place)).toMatchObject({ released: false })
        expect(await b.extend(place, 1000)).toEqual({ type: 'gone' })
        await a.release(lock)
        await b.granted(place)
      },
    },
    {
      title: 'who extends a lease and names another fencing token than it has is told that it is gone',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { id, token, fence } = await a.acquire('file:x')
        const extending = (meant: number): Step => {
          return { type: 'extend', id, token, fence: meant, ttlMs: 60_000, automatic: false }
        }
        const { outcomes } = await a.send([extending(fence - 1), extending(fence + 1), extending(fence)])
        expect(outcomes?.map(({ type }) => type)).toEqual(['gone', 'gone', 'extended'])
      },
    },
    {
      title: 'handing back lets go of one’s own part only: who came to share the lease keeps it',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { chain: 'work' })
        const [entered] = (await a.send([a.asking('file:x', { chain: 'work', reentrant: true })])).outcomes ?? []
        expect(entered).toMatchObject({ type: 'entered', id: lock.id })
        await a.handBack(lock)
        expect(await b.ask('file:x', { waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'a session can hand back what it does not know, without a token, and nobody else can',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        await b.handBack(lock)
        await holds(b, lock)
        const place = await c.queue('file:x')
        await a.handBack({ id: lock.id, fence: lock.fence - 1 })
        await holds(b, lock)
        await a.handBack(lock)
        const held = await c.granted(place)
        await a.handBack(lock)
        await a.handBack(held)
        await holds(b, held)
        expect(await a.told(lock, 'lost')).toEqual([])
      },
    },
    {
      title: 'what was handed back is logged as unlocked',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { cursor } = await a.events(null)
        const lock = await a.acquire('file:x')
        await a.handBack(lock)
        const { events } = await a.events(cursor)
        expect(events).toMatchObject([
          { type: 'resource.locked' },
          { type: 'resource.unlocked', fence: lock.fence, forced: null },
        ])
      },
    },
    {
      title: 'no answer, event, message or push tells a token, a session or what is kept of them',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        for (const actor of [a, b, c]) await actor.subscribe()
        const { cursor } = await c.events(null)
        const lock = await a.acquire('file:x', { chain: 'a', reason: 'why', metadata: '{"a":1}' })
        await a.enter('file:x', { chain: 'a' })
        const place = await b.queue('file:x', { chain: 'b' })
        await b.acquire('file:y', { chain: 'z' })
        await c.ask('file:x', { waitMs: 0 })
        await c.inspect('file:x')
        await c.list()
        await a.extend(lock, 60_000)
        await c.force('file:x')
        const held = await b.granted(place)
        await b.release(held)
        const { events } = await c.events(cursor)
        expect(events.length).toBeGreaterThanOrEqual(6)
        // The world compares everything that was said with every secret when it closes.
      },
    },
  ],
}

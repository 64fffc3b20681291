import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 200

export const pushTopic: ContractTopic = {
  topic: 'outbox and pushes',
  cases: [
    {
      title: 'a grant is pushed to the session that waits, over whichever connection it came about',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { store: await world.connect() })
        await b.subscribe()
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await a.release(lock)
        await world.eventually(() => expect(b.pushed).toMatchObject([{ type: 'granted', id: place.id, number: 1 }]))
        const [told] = await b.told(place)
        expect(b.pushed[0]).toEqual(told)
      },
    },
    {
      title: 'a loss is pushed to the session that held the lease',
      run: async (world) => {
        const a = world.session('a', { store: await world.connect() })
        const admin = world.session('admin')
        const lock = await a.acquire('file:x')
        await a.subscribe()
        await admin.force('file:x')
        await world.eventually(() =>
          expect(a.pushed).toMatchObject([
            { type: 'lost', id: lock.id, loss: { kind: 'forced', by: 'admin', reason: 'stuck' } },
          ]),
        )
      },
    },
    {
      title: 'nobody else is pushed what is meant for a session',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await b.subscribe()
        await c.subscribe()
        const lock = await a.acquire('file:x')
        await b.queue('file:x')
        await c.queue('file:x')
        await a.release(lock)
        await world.eventually(() => expect(b.pushed).toHaveLength(1))
        expect(c.pushed).toEqual([])
      },
    },
    {
      title: 'after a subscription is closed nothing is delivered, and other subscriptions go on',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const subscription = await b.subscribe()
        await subscription.close()
        await subscription.close()
        const other = world.session('other', { store: await world.connect() })
        await other.subscribe()
        const lock = await a.acquire('file:x')
        await b.queue('file:x')
        const gate = await a.acquire('file:y')
        await other.queue('file:y')
        await a.release(lock)
        await a.release(gate)
        await world.eventually(() => expect(other.pushed).toHaveLength(1))
        expect(b.pushed).toEqual([])
      },
    },
    {
      title: 'a closed connection delivers nothing',
      run: async (world) => {
        const store = await world.connect()
        const a = world.session('a')
        const b = world.session('b', { store })
        await b.subscribe()
        const lock = await a.acquire('file:x')
        await b.queue('file:x')
        await store.close()
        await a.release(lock)
        const c = world.session('c', { store: await world.connect() })
        await c.subscribe()
        const next = await a.acquire('file:y')
        await c.queue('file:y')
        await a.release(next)
        await world.eventually(() => expect(c.pushed).toHaveLength(1))
        expect(b.pushed).toEqual([])
      },
    },
    {
      title:
        'a message is kept and comes with every answer until it is acknowledged: a lost push is repaired by the next answer',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await a.release(lock)
        b.acknowledges = false
        const [first] = (await b.heartbeat()).messages
        expect(first).toMatchObject({ type: 'granted', id: place.id, number: 1 })
        expect((await b.heartbeat()).messages).toEqual([first])
        b.acknowledges = true
        expect((await b.heartbeat()).messages).toEqual([])
        expect((await b.heartbeat()).messages).toEqual([])
      },
    },
    {
      title: 'messages are numbered from 1 without gaps, and only what is acknowledged is left out',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        for (const name of ['x', 'y', 'z']) await a.acquire(`file:${name}`)
        for (const name of ['x', 'y', 'z']) await admin.force(`file:${name}`)
        const { messages } = await a.send([], { acked: 0 })
        expect(messages.map(({ number }) => number)).toEqual([1, 2, 3])
        expect((await a.send([], { acked: 2 })).messages).toEqual(messages.slice(2))
        expect((await a.send([], { acked: 1 })).messages).toEqual(messages.slice(2))
        expect((await a.send([], { acked: 3 })).messages).toEqual([])
      },
    },
    {
      title: 'acknowledging more than was ever sent acknowledges nothing in advance',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        const lock = await a.acquire('file:x')
        await a.send([], { acked: 1000 })
        await admin.force('file:x')
        expect(await a.told(lock)).toMatchObject([{ type: 'lost' }])
      },
    },
    {
      title: 'what happens to a session in its own batch comes with that answer',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        const place = await a.queue('file:x')
        const { messages } = await a.send([{ type: 'release', id: lock.id, token: lock.token, expired: false }])
        expect(messages).toMatchObject([{ type: 'granted', id: place.id }])
      },
    },
    {
      title: 'messages to a session that is dead wait for it',
      run: async (world) => {
        const a = world.session('a', { deadMs: SOON_MS })
        const [admin] = world.sessions('admin')
        const lock = await a.acquire('file:x')
        await world.advance(SOON_MS)
        await admin.force('file:x')
        expect(await a.told(lock)).toMatchObject([{ type: 'lost', loss: { kind: 'forced' } }])
      },
    },
    {
      title: 'a lease granted by message ends with its session as long as it is not confirmed',
      run: async (world) => {
        const [a, c] = world.sessions('a', 'c')
        const b = world.session('b', { deadMs: SOON_MS })
        const { now: joined } = await b.heartbeat()
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { ttlMs: 60_000 })
        const next = await c.queue('file:x')
        await a.release(lock)
        const [view] = (await a.inspect('file:x')).leases
        expect(view?.agentId).toBe('b')
        expect(view?.expiresAt).toBeLessThan(joined + 60_000)
        await world.advance(SOON_MS)
        await c.granted(next)
        expect(await b.told(place)).toMatchObject([
          { type: 'granted', expiresAt: view?.expiresAt },
          { type: 'lost', loss: { kind: 'expired' } },
        ])
      },
    },
    {
      title: 'confirming a grant by acknowledging it starts the full lease',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: 60_000 })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { ttlMs: 80_000 })
        await a.release(lock)
        b.acknowledges = false
        const { expiresAt } = await b.granted(place)
        b.acknowledges = true
        await world.advance(20)
        const { now } = await b.heartbeat()
        expect(expiresAt).toBeLessThanOrEqual(now + 60_000 - 20)
        expect((await a.inspect('file:x')).leases).toMatchObject([{ expiresAt: now + 80_000 }])
        await b.heartbeat()
        expect((await a.inspect('file:x')).leases).toMatchObject([{ expiresAt: now + 80_000 }])
      },
    },
    {
      title: 'extending a grant that is not confirmed yet confirms it',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: 60_000 })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { ttlMs: 80_000 })
        await a.release(lock)
        b.acknowledges = false
        const held = await b.granted(place)
        const { now, outcomes } = await b.send([
          { type: 'extend', id: held.id, token: held.token, fence: null, ttlMs: 1000, automatic: true },
        ])
        expect(outcomes).toMatchObject([{ type: 'extended', expiresAt: now + 80_000 }])
      },
    },
    {
      title: 'a lease shorter than the dead time is full from its grant on',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: 60_000 })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { ttlMs: 10_000 })
        const { now } = await a.send([{ type: 'release', id: lock.id, token: lock.token, expired: false }])
        expect((await b.granted(place)).expiresAt).toBe(now + 10_000)
      },
    },
    {
      title: 'confirming never moves a lease beyond maxHold, counted from the grant',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: 10_000 })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { ttlMs: 80_000, maxHoldMs: 30_000 })
        const { now } = await a.send([{ type: 'release', id: lock.id, token: lock.token, expired: false }])
        await b.granted(place)
        await world.advance(20)
        await b.heartbeat()
        expect((await a.inspect('file:x')).leases).toMatchObject([{ expiresAt: now + 30_000 }])
      },
    },
    {
      title: 'a holder is told when somebody starts to wait for its lease, and by how many, once for all who follow',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:src/**')
        await a.subscribe()
        await b.queue(['file:src/a', 'file:src/b'])
        await world.eventually(() => expect(a.pushed).toMatchObject([{ type: 'wanted', id: lock.id, waiters: 2 }]))
        await c.queue('file:src/c')
        expect(await a.told(lock, 'wanted')).toHaveLength(1)
      },
    },
    {
      title: 'a holder is told again when somebody starts to wait after all others have left',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const first = await b.queue('file:x')
        expect(await a.told(lock, 'wanted')).toHaveLength(1)
        await b.cancel(first)
        await c.queue('file:x')
        expect(await a.told(lock, 'wanted')).toMatchObject([{ waiters: 1 }, { waiters: 1 }])
      },
    },
    {
      title: 'every holder that somebody waits for is told',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const first = await a.acquire('file:x', { mode: 'shared' })
        const second = await b.acquire('file:x', { mode: 'shared' })
        await c.queue('file:x')
        expect(await a.told(first, 'wanted')).toMatchObject([{ waiters: 1 }])
        expect(await b.told(second, 'wanted')).toMatchObject([{ waiters: 1 }])
      },
    },
    {
      title: 'a grant says how many wait for it already, to each of those granted together',
      run: async (world) => {
        const [a, b, c, writer] = world.sessions('a', 'b', 'c', 'writer')
        const lock = await a.acquire('file:x')
        const first = await b.queue('file:x', { mode: 'shared' })
        const second = await c.queue('file:x', { mode: 'shared' })
        await writer.queue('file:x')
        await a.release(lock)
        expect(await b.granted(first)).toMatchObject({ waiters: 1 })
        expect(await c.granted(second)).toMatchObject({ waiters: 1 })
      },
    },
    {
      title: 'a holder is not told of those who do not wait for it',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        await b.acquire('file:y')
        expect(await b.attempt('file:x')).toBeUndefined()
        expect(await a.told(lock)).toEqual([])
      },
    },
    {
      title: 'a follower is called after the log has grown, until it is closed',
      run: async (world) => {
        const [a] = world.sessions('a')
        const other = await world.connect()
        let calls = 0
        const subscription = await other.follow(() => (calls += 1))
        await a.acquire('file:x')
        await world.eventually(() => expect(calls).toBeGreaterThan(0))
        await subscription.close()
        const before = calls
        let seen = 0
        await other.follow(() => (seen += 1))
        await a.acquire('file:y')
        await world.eventually(() => expect(seen).toBeGreaterThan(0))
        expect(calls).toBe(before)
      },
    },
  ],
}

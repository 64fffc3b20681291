import type { RequestRef } from '../../core/store.ts'
import type { Actor, Held } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractCase, ContractTopic } from '../topic.ts'
import type { World } from '../world.ts'

const SOON_MS = 150

/** How the one in the middle of a line goes: `a` holds, `b` waits for it, others wait behind `b`. */
type Leaving = (world: World, b: Actor, place: RequestRef) => Promise<void>

const WAYS: readonly (readonly [how: string, deadMs: number, waitMs: number | null, leave: Leaving])[] = [
  ['is cancelled', 3_600_000, null, async (_, b, place) => void (await b.cancel(place))],
  ['runs out of time', 3_600_000, SOON_MS, async (world) => world.advance(SOON_MS)],
  ['dies', SOON_MS, null, async (world) => world.advance(SOON_MS)],
  ['says goodbye', 3_600_000, null, async (_, b) => void (await b.goodbye())],
]

const waiterCases: readonly ContractCase[] = WAYS.map(([how, deadMs, waitMs, leave]) => ({
  title: `a waiter that ${how} frees those behind it in the same step, in every line`,
  run: async (world) => {
    const [a, c, d, looker] = world.sessions('a', 'c', 'd', 'looker')
    const b = world.session('b', { deadMs })
    await a.acquire('file:x', { mode: 'shared' })
    const place = await b.queue(['file:x', 'file:y'], { waitMs })
    const reading = await c.queue('file:x', { mode: 'shared' })
    const writing = await d.queue('file:y')
    await leave(world, b, place)
    expect((await looker.inspect('file:x')).leases.map(({ agentId }) => agentId)).toEqual(['a', 'c'])
    expect((await looker.inspect('file:y')).leases).toMatchObject([{ agentId: 'd' }])
    expect((await looker.inspect('file:x')).waiting).toEqual([])
    await c.granted(reading)
    await d.granted(writing)
    expect(b.inbox).toEqual([])
  },
}))

const HOLDER_WAYS: readonly (readonly [how: string, leave: (world: World, a: Actor, lock: Held) => Promise<void>])[] = [
  ['is released', async (_, a, lock) => void (await a.release(lock))],
  ['expires', async (world) => world.advance(SOON_MS)],
  ['is forced', async (world) => void (await world.session('admin').force('file:x'))],
  ['is cancelled by its own holder', async (_, a, lock) => void (await a.cancel(lock))],
  ['is handed back', async (_, a, lock) => a.handBack(lock)],
]

const holderCases: readonly ContractCase[] = HOLDER_WAYS.map(([how, leave]) => ({
  title: `a lease that ${how} is passed on in the same step`,
  run: async (world) => {
    const [a, b, looker] = world.sessions('a', 'b', 'looker')
    const lock = await a.acquire('file:x', { ttlMs: SOON_MS })
    const place = await b.queue('file:x')
    await leave(world, a, lock)
    expect((await looker.inspect('file:x')).leases).toMatchObject([{ agentId: 'b' }])
    await b.granted(place)
  },
}))

export const leavingTopic: ContractTopic = {
  topic: 'leaving',
  cases: [
    ...waiterCases,
    ...holderCases,
    {
      title:
        'a cancelled waiter is told how long it waited and, if it asks, who held the resource and how many were in front',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x')
        await b.queue('file:x')
        const place = await c.queue('file:x')
        await world.advance(20)
        const outcome = await c.cancel(place, 'file:x')
        expect(outcome).toMatchObject({ type: 'cancelled', ahead: 1, holders: [{ agentId: 'a' }] })
        expect(outcome.waitedMs).toBeGreaterThanOrEqual(20)
      },
    },
    {
      title: 'cancelling what is not there does nothing and says so quietly',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        await a.release(lock)
        const mine = await b.acquire('file:x')
        expect(await a.cancel(lock)).toMatchObject({
          type: 'cancelled',
          holders: [],
          ahead: 0,
          waitedMs: 0,
          cursor: null,
        })
        expect(await a.cancel({ id: 1_000_000, token: lock.token })).toMatchObject({ type: 'cancelled', cursor: null })
        expect((await b.inspect('file:x')).leases).toMatchObject([{ fence: mine.fence }])
      },
    },
    {
      title: 'a wait that has ended already can still be explained',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x')
        await b.queue('file:x')
        const place = await c.queue('file:x', { waitMs: SOON_MS })
        await b.queue('file:x')
        await world.advance(SOON_MS)
        expect(await c.cancel(place, 'file:x')).toMatchObject({ ahead: 1, holders: [{ agentId: 'a' }], cursor: null })
        expect(await c.cancel(place)).toMatchObject({ ahead: 0, holders: [] })
      },
    },
    {
      title: 'a cancel that crosses the grant hands the lease back and grants the next',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        const next = await c.queue('file:x')
        await a.release(lock)
        b.acknowledges = false
        await b.cancel(place)
        expect((await a.inspect('file:x')).leases).toMatchObject([{ agentId: 'c' }])
        await c.granted(next)
      },
    },
    {
      title: 'a wait is never granted past its deadline, not even in the step that first meets it',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { waitMs: SOON_MS })
        const next = await c.queue('file:x', { waitMs: 60_000 })
        await world.advance(SOON_MS)
        await a.release(lock)
        await b.waits(place)
        await c.granted(next)
      },
    },
    {
      title: 'a lease that expires after the end of a wait is not granted to that wait',
      run: async (world) => {
        const [a, b, looker] = world.sessions('a', 'b', 'looker')
        await a.acquire('file:x', { ttlMs: SOON_MS })
        const place = await b.queue('file:x', { waitMs: SOON_MS })
        await world.advance(SOON_MS)
        expect((await looker.inspect('file:x')).leases).toEqual([])
        await b.waits(place)
      },
    },
    {
      title: 'a wait before its deadline is granted',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { waitMs: 60_000 })
        await world.advance(10)
        await a.release(lock)
        await b.granted(place)
      },
    },
    {
      title: 'a wait may be as long as a number of milliseconds can say',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x', { waitMs: 1_000_000_000_000 })
        await a.release(lock)
        await b.granted(place)
      },
    },
    {
      title: 'a waiter in the middle that goes leaves the order of the others as it was',
      run: async (world) => {
        const [a, b, c, d, e] = world.sessions('a', 'b', 'c', 'd', 'e')
        const lock = await a.acquire('file:x')
        const second = await b.queue('file:x')
        const middle = await c.queue('file:x')
        const fourth = await d.queue('file:x')
        const fifth = await e.queue('file:x')
        await c.cancel(middle)
        await d.waits(fourth)
        await a.release(lock)
        const held = await b.granted(second)
        await d.waits(fourth)
        await b.release(held)
        await d.granted(fourth)
        await e.waits(fifth)
      },
    },
    {
      title: 'goodbye leaves every line and keeps every lease',
      run: async (world) => {
        const [a, b, looker] = world.sessions('a', 'b', 'looker')
        await a.acquire('file:x')
        await b.acquire('file:y')
        await b.queue('file:x')
        await b.queue(['file:x', 'file:z'])
        await b.goodbye()
        expect((await looker.inspect('file:x')).waiting).toEqual([])
        expect((await looker.inspect('file:y')).leases).toMatchObject([{ agentId: 'b' }])
        await looker.acquire('file:z')
      },
    },
    {
      title: 'goodbye from any number of lines is finished by the batches that follow it',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:t/**', { mode: 'shared' })
        for (let sent = 0; sent < 600; sent += 100) {
          await b.send(Array.from({ length: 100 }, (_, index) => b.asking(`file:t/${sent + index}`)))
        }
        const place = await c.queue('file:t/599', { mode: 'shared' })
        const answer = await b.goodbye()
        expect(answer.more).toBe(true)
        await a.settle()
        await c.granted(place)
        expect((await a.inspect('file:t/**')).waiting).toEqual([])
      },
    },
  ],
}

import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

// A machine that is busy may take a while to do nothing: there is room for that between the half and the whole.
const SOON_MS = 500
const HALF_MS = 260

export const sessionTopic: ContractTopic = {
  topic: 'sessions',
  cases: [
    {
      title: 'a session is fresh at first and known from then on',
      run: async (world) => {
        const [a] = world.sessions('a')
        expect((await a.heartbeat()).fresh).toBe(true)
        expect((await a.heartbeat()).fresh).toBe(false)
      },
    },
    {
      title: 'any batch is a heartbeat: it keeps the session and its places alive',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await world.advance(HALF_MS)
        expect((await b.heartbeat()).fresh).toBe(false)
        await world.advance(HALF_MS)
        expect((await b.send([b.asking('file:y')])).fresh).toBe(false)
        await world.advance(HALF_MS)
        await a.release(lock)
        await b.granted(place)
      },
    },
    {
      title: 'the line places of a session that was silent for its dead time are gone, and it is told that it is fresh',
      run: async (world) => {
        const a = world.session('a')
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await world.advance(SOON_MS)
        expect((await b.heartbeat()).fresh).toBe(true)
        expect((await a.inspect('file:x')).waiting).toEqual([])
        await a.release(lock)
        await b.waits(place)
        expect((await a.inspect('file:x')).leases).toEqual([])
      },
    },
    {
      title: 'a session that comes back joins at the end of the line',
      run: async (world) => {
        const [a, c] = world.sessions('a', 'c')
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await a.acquire('file:x')
        await b.queue('file:x')
        const place = await c.queue('file:x')
        await world.advance(SOON_MS)
        const again = await b.queue('file:x')
        await a.release(lock)
        const held = await c.granted(place)
        await b.waits(again)
        await c.release(held)
        await b.granted(again)
      },
    },
    {
      title: 'a store that has lost an answered batch tells the session that it is fresh: its line places are gone',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        b.number += 1
        expect((await b.send([], { answered: b.number })).fresh).toBe(true)
        const again = await b.queue('file:x')
        const behind = await c.queue('file:x')
        await a.release(lock)
        await b.waits(place)
        const held = await b.granted(again)
        expect((await b.heartbeat()).fresh).toBe(false)
        await b.release(held)
        await c.granted(behind)
      },
    },
    {
      title: 'a store that has lost a message or an id that the session knows tells it so, and gives no id twice',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.heartbeat()
        expect((await a.send([], { acked: 7 })).fresh).toBe(true)
        expect((await a.heartbeat()).fresh).toBe(false)
        const { id } = await a.acquire('file:x')
        expect((await a.send([], { lastId: id })).fresh).toBe(false)
        expect((await a.send([], { lastId: id + 100 })).fresh).toBe(true)
        expect((await a.acquire('file:y')).id).toBeGreaterThan(id + 100)
      },
    },
    {
      title: 'it does so whatever the batch asks for: one grant or one release as well',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { id, token } = await a.acquire('file:x')
        a.number += 1
        const asked = await a.send([a.asking('file:y')], { answered: a.number })
        expect([asked.fresh, asked.outcomes?.[0]?.type]).toEqual([true, 'granted'])
        a.number += 1
        const released = await a.send([{ type: 'release', id, token, expired: false }], { answered: a.number })
        expect([released.fresh, released.outcomes?.[0]]).toMatchObject([true, { released: true }])
        expect((await a.send([a.asking('file:z')], { lastId: id + 100 })).fresh).toBe(true)
      },
    },
    {
      title: 'a session that comes back keeps its leases until they expire',
      run: async (world) => {
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await b.acquire('file:x', { ttlMs: 20_000 })
        await world.advance(SOON_MS)
        expect((await b.heartbeat()).fresh).toBe(true)
        expect(await b.extend(lock, 30_000)).toMatchObject({ type: 'extended' })
        expect(await b.release(lock)).toMatchObject({ released: true })
      },
    },
    {
      title: 'a confirmed lease outlives the silence of its session',
      run: async (world) => {
        const [looker] = world.sessions('looker')
        const b = world.session('b', { deadMs: SOON_MS })
        await b.acquire('file:x', { ttlMs: 20_000 })
        await world.advance(SOON_MS)
        expect((await looker.inspect('file:x')).leases).toMatchObject([{ agentId: 'b' }])
      },
    },
    {
      title: 'a dead waiter is not counted as waiting',
      run: async (world) => {
        const [a] = world.sessions('a')
        const b = world.session('b', { deadMs: SOON_MS })
        await a.acquire('file:x')
        await b.queue('file:x')
        await world.advance(SOON_MS)
        expect((await a.inspect('file:x')).waiting).toEqual([])
        expect((await a.list()).leases).toMatchObject([{ waiters: 0 }])
      },
    },
    {
      title: 'a batch that only looks makes no session',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.inspect('file:x')
        await a.list()
        await a.events(null)
        expect((await a.heartbeat()).fresh).toBe(true)
      },
    },
    {
      title: 'goodbye ends the session: its next batch is fresh',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.heartbeat()
        await a.goodbye()
        expect((await a.heartbeat()).fresh).toBe(true)
      },
    },
    {
      title: 'in another epoch nothing is executed, and the answer says which epoch it is',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { epoch } = await a.heartbeat()
        const answer = await b.send([b.asking('file:x')], { epoch: 'f'.repeat(32) })
        expect(answer).toMatchObject({ epoch, outcomes: null, messages: [], fresh: true })
        expect((await a.inspect('file:x')).leases).toEqual([])
        expect((await b.send([], { epoch: null })).fresh).toBe(true)
      },
    },
    {
      title: 'every answer carries the epoch and both clocks',
      run: async (world) => {
        const [a] = world.sessions('a')
        const first = await a.heartbeat()
        await world.advance(20)
        const second = await a.heartbeat()
        expect(second.epoch).toBe(first.epoch)
        expect(first.epoch).toMatch(/^[0-9a-f]{32}$/)
        expect(second.now - first.now).toBeGreaterThanOrEqual(20)
        expect(Number.isInteger(first.now)).toBe(true)
        expect(second.wallNow - first.wallNow).toBeGreaterThanOrEqual(15)
      },
    },
    {
      title: 'a repeated batch gets the same answer and is executed once',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { cursor } = await b.events(null)
        const answer = await a.send([a.asking('file:x'), a.asking('file:x'), a.asking('file:y')])
        expect(await a.repeat()).toEqual(answer)
        expect(await a.repeat()).toEqual(answer)
        const { events } = await b.events(cursor)
        expect(events.map(({ type }) => type)).toEqual(['resource.locked', 'resource.waiting', 'resource.locked'])
        expect((await b.inspect('file:x')).waiting).toHaveLength(1)
      },
    },
    {
      title:
        'a repeated batch gets the first answer even where things have changed since, and what is new comes with the next',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const step = b.asking('file:x')
        const answer = await b.send([step])
        await a.release(lock)
        expect(await b.repeat()).toEqual(answer)
        const [outcome] = answer.outcomes ?? []
        await b.granted({ id: outcome?.type === 'waiting' ? outcome.id : 0, token: step.token })
      },
    },
    {
      title: 'a repeated batch that acknowledged messages gets the same answer',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await a.release(lock)
        const answer = await b.send()
        expect(await b.repeat()).toEqual(answer)
        await b.send([{ type: 'release', id: place.id, token: place.token, expired: false }])
        expect((await b.repeat()).outcomes).toMatchObject([{ released: true }])
        expect((await b.send()).messages).toEqual([])
      },
    },
    {
      title: 'a late copy of an older batch is refused and does nothing',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.heartbeat()
        await a.heartbeat()
        const late = a.send([a.asking('file:x')], { number: 1 })
        await expect(late).rejects.toMatchObject({ code: 'INVALID' })
        expect((await b.inspect('file:x')).leases).toEqual([])
        expect((await a.send()).fresh).toBe(false)
      },
    },
    {
      title: 'a late copy is refused also after the session was dead',
      run: async (world) => {
        const a = world.session('a', { deadMs: SOON_MS })
        await a.heartbeat()
        await a.heartbeat()
        await world.advance(SOON_MS)
        await expect(a.send([a.asking('file:x')], { number: 1 })).rejects.toMatchObject({ code: 'INVALID' })
      },
    },
    {
      title: 'steps of one batch are executed in order and see each other',
      run: async (world) => {
        const [a] = world.sessions('a')
        const step = a.asking('file:x')
        const { outcomes } = await a.send([
          { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 1, waiters: 0 },
          step,
          { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 1, waiters: 0 },
          { type: 'force', resourceId: 'file:x', scope: 'node', fence: null, by: 'a', reason: 'again' },
          { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 1, waiters: 0 },
        ])
        expect(outcomes?.map((outcome) => ('leases' in outcome ? outcome.leases.length : outcome.type))).toEqual([
          0,
          'granted',
          1,
          'forced',
          0,
        ])
      },
    },
    {
      title: 'a batch may have no step, and has as many outcomes as steps',
      run: async (world) => {
        const [a] = world.sessions('a')
        expect((await a.send()).outcomes).toEqual([])
      },
    },
    {
      title: 'two connections to a namespace see the same locks',
      run: async (world) => {
        const other = await world.connect()
        const a = world.session('a')
        const b = world.session('b', { store: other })
        const lock = await a.acquire('file:x')
        expect(await b.attempt('file:x')).toBeUndefined()
        const place = await b.queue('file:x')
        await a.release(lock)
        const held = await b.granted(place)
        expect(held.fence).toBeGreaterThan(lock.fence)
      },
    },
    {
      title: 'closing a connection leaves the locks as they are',
      run: async (world) => {
        const other = await world.connect()
        const [a] = world.sessions('a')
        const b = world.session('b', { store: other })
        await b.acquire('file:x')
        await other.close()
        expect((await a.inspect('file:x')).leases).toMatchObject([{ agentId: 'b' }])
      },
    },
  ],
}

import type { Asking, Resources } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractCase, ContractTopic } from '../topic.ts'

const SOON_MS = 150

interface Cover {
  readonly title: string
  readonly held: Resources
  readonly asked: Resources
  readonly mode?: 'shared'
  readonly enters: boolean
}

const COVERS: readonly Cover[] = [
  { title: 'the same resource', held: 'file:x', asked: 'file:x', enters: true },
  { title: 'some of its resources', held: ['file:x', 'file:y'], asked: 'file:y', enters: true },
  { title: 'a resource under its tree', held: 'file:x/**', asked: 'file:x/a/b', enters: true },
  { title: 'the root of its tree', held: 'file:x/**', asked: 'file:x', enters: true },
  { title: 'a tree under its tree', held: 'file:x/**', asked: 'file:x/a/**', enters: true },
  { title: 'a whole type', held: 'file:**', asked: ['file:x', 'file:y/**'], enters: true },
  { title: 'a shared claim where it is exclusive', held: 'file:x', asked: 'file:x', mode: 'shared', enters: true },
  { title: 'a further resource', held: 'file:x', asked: ['file:x', 'file:y'], enters: false },
  { title: 'a tree where it has the node', held: 'file:x', asked: 'file:x/**', enters: false },
  { title: 'a resource under its node', held: 'file:x', asked: 'file:x/a', enters: false },
]

const coverCases: readonly ContractCase[] = COVERS.map(({ title, held, asked, mode, enters }) => ({
  title: `re-entry for ${title} ${enters ? 'shares the lease' : 'is a normal request'}`,
  run: async (world) => {
    const [a] = world.sessions('a')
    const lock = await a.acquire(held, { chain: 'c' })
    const asking: Asking = { chain: 'c', reentrant: true, waitMs: 0, ...(mode && { mode }) }
    const outcome = await a.ask(asked, asking)
    if (enters) expect(outcome).toMatchObject({ type: 'entered', id: lock.id, fence: lock.fence })
    else expect(outcome.type).not.toBe('entered')
  },
}))

export const reentryTopic: ContractTopic = {
  topic: 're-entry',
  cases: [
    ...coverCases,
    {
      title: 're-entry mints nothing: it shares id, fencing token, times, and logs nothing',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { chain: 'c' })
        const { cursor } = await a.events(null)
        await world.advance(10)
        const entry = await a.enter('file:x', { chain: 'c', ttlMs: 60_000 })
        expect(entry).toMatchObject({
          id: lock.id,
          fence: lock.fence,
          wallLockedAt: lock.wallLockedAt,
          expiresAt: lock.expiresAt,
          cursor: null,
        })
        expect((await a.events(cursor)).events).toEqual([])
        expect((await a.inspect('file:x')).leases).toHaveLength(1)
      },
    },
    {
      title: 're-entry bypasses the line',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x', { chain: 'c' })
        const place = await b.queue('file:x')
        await a.enter('file:x', { chain: 'c' })
        await b.waits(place)
      },
    },
    {
      title: 're-entry happens only on request',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'c' })
        expect(await a.ask('file:x', { chain: 'c', waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 're-entry needs the same chain: neither the agent nor the session is enough',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'c' })
        expect(await a.ask('file:x', { chain: 'd', reentrant: true, waitMs: 0 })).toMatchObject({ type: 'busy' })
        expect(await a.ask('file:x', { reentrant: true, waitMs: 0 })).toMatchObject({ type: 'busy' })
        await a.acquire('file:y')
        expect(await a.ask('file:y', { reentrant: true, waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'a lease passed as holding is entered, whatever the chain',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const entry = await a.enter('file:x', { reentrant: false, holding: lock })
        expect(entry.id).toBe(lock.id)
        await b.enter('file:x', { reentrant: false, holding: entry, chain: 'd' })
      },
    },
    {
      title: 'holding proves nothing without the ownership token',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const holding = { id: lock.id, token: 'guessed-token-000000000' }
        expect(await b.ask('file:x', { holding, waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'holding that covers too little is a normal request',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        expect(await a.ask('file:y', { holding: lock, waitMs: 0 })).toMatchObject({ type: 'granted' })
        expect(await a.ask(['file:x', 'file:z'], { holding: lock, waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'a shared lease is not entered for an exclusive claim',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'c', mode: 'shared' })
        expect(await a.ask('file:x', { chain: 'c', reentrant: true, waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'no claim of another chain’s request is entered among several readers',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a', mode: 'shared' })
        const mine = await b.acquire('file:x', { chain: 'b', mode: 'shared' })
        await c.acquire('file:x', { chain: 'c', mode: 'shared' })
        const entry = await b.enter('file:x', { chain: 'b', mode: 'shared' })
        expect(entry.id).toBe(mine.id)
      },
    },
    {
      title: 'an expired lease is not entered',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { chain: 'c', ttlMs: SOON_MS })
        await world.advance(SOON_MS)
        const outcome = await a.ask('file:x', { chain: 'c', reentrant: true, holding: lock })
        expect(outcome).toMatchObject({ type: 'granted' })
        expect(outcome).not.toMatchObject({ id: lock.id })
      },
    },
    {
      title: 'a re-entrant request with nothing to enter is a normal request',
      run: async (world) => {
        const [a] = world.sessions('a')
        expect(await a.ask('file:x', { chain: 'c', reentrant: true })).toMatchObject({ type: 'granted' })
      },
    },
    {
      title: 'a lease ends with its last entry, in whatever order they end',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { chain: 'c' })
        const inner = await a.enter('file:x', { chain: 'c' })
        const innermost = await a.enter('file:x', { chain: 'c' })
        const place = await b.queue('file:x')
        expect(await a.release(lock)).toMatchObject({ released: true, shared: true, cursor: null })
        expect(await a.release(innermost)).toMatchObject({ released: true, shared: true })
        await b.waits(place)
        expect(await a.release(innermost)).toMatchObject({ released: false })
        expect(await a.release(inner)).toMatchObject({ released: true, shared: false })
        await b.granted(place)
      },
    },
    {
      title: 'any entry can extend the lease for all',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x', { chain: 'c', ttlMs: 10_000 })
        const entry = await a.enter('file:x', { chain: 'c' })
        await a.release(lock)
        const extended = await a.extend(entry, 20_000)
        expect(extended).toMatchObject({ type: 'extended' })
        expect(await a.extend(lock, 20_000)).toEqual({ type: 'gone' })
      },
    },
    {
      title: 'every session that entered is told of the loss, once',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const lock = await a.acquire('file:x', { chain: 'c' })
        await a.enter('file:x', { chain: 'c' })
        await b.enter('file:x', { chain: 'c' })
        await admin.force('file:x')
        expect(await a.told(lock)).toMatchObject([{ type: 'lost', loss: { kind: 'forced' } }])
        expect(await b.told(lock)).toMatchObject([{ type: 'lost', loss: { kind: 'forced' } }])
      },
    },
    {
      title: 'a lease outlives the death of the session that opened it, as long as another entry holds it',
      run: async (world) => {
        const a = world.session('a', { deadMs: SOON_MS })
        const [b, looker] = world.sessions('b', 'looker')
        const lock = await a.acquire('file:x', { chain: 'c' })
        const entry = await b.enter('file:x', { chain: 'c' })
        await world.advance(SOON_MS)
        await looker.heartbeat()
        expect(await b.extend(entry, 40_000)).toMatchObject({ type: 'extended' })
        expect((await looker.inspect('file:x')).leases).toMatchObject([{ fence: lock.fence }])
        expect(await b.release(entry)).toMatchObject({ released: true, shared: true })
      },
    },
    {
      title: 'handing back a lease leaves it to those of other sessions who entered it',
      run: async (world) => {
        const [a, b, looker] = world.sessions('a', 'b', 'looker')
        const lock = await a.acquire('file:x', { chain: 'c' })
        const entry = await b.enter('file:x', { chain: 'c' })
        await a.handBack(lock)
        expect((await looker.inspect('file:x')).leases).toMatchObject([{ fence: lock.fence }])
        expect(await b.release(entry)).toMatchObject({ released: true, shared: false })
      },
    },
    {
      title: 'cancelling a request whose lease others entered leaves it to them',
      run: async (world) => {
        const [a, b, looker] = world.sessions('a', 'b', 'looker')
        const lock = await a.acquire('file:x', { chain: 'c' })
        const entry = await b.enter('file:x', { chain: 'c' })
        await a.cancel(lock)
        await a.cancel(lock)
        expect((await looker.inspect('file:x')).leases).toHaveLength(1)
        await b.release(entry)
        await looker.acquire('file:x')
      },
    },
  ],
}

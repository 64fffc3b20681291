import type { Answer, Batch, ReleaseStep, Step } from '../../core/store.ts'
import type { Actor, Held } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractCase, ContractTopic } from '../topic.ts'
import type { World } from '../world.ts'

// A machine that is busy may take a while to do nothing: there is room for that between the two.
const SOON_MS = 500
const LATER_MS = 20_000

/** How much a batch may do in passing. */
const BUDGET = 256

function releaseOf({ id, token }: Held): ReleaseStep {
  return { type: 'release', id, token, expired: false }
}

/** What it logged since a place in the log, in order. */
async function logged(actor: Actor, since: string): Promise<string[]> {
  const { events } = await actor.events(since)
  return events.map(({ type, agentId }) => `${agentId} ${type.replace('resource.', '')}`)
}

/** Sends a step in one of the ways that a store may be quick about. */
type Send = (actor: Actor, step: Step, change?: Partial<Batch>) => Promise<Answer>

const alone: Send = (actor, step, change) => actor.send([step], change)

const besideAnother: Send = (actor, step, change) =>
  actor.send([step, actor.asking(`file:beside/${actor.name}/${actor.number}`)], change)

interface QuickCase {
  readonly title: string
  readonly run: (world: World, send: Send) => Promise<void>
}

const CASES: readonly QuickCase[] = [
  {
    title: 'is not executed in another epoch',
    run: async (world, send) => {
      const [a] = world.sessions('a')
      const lock = await a.acquire('file:x')
      for (const step of [a.asking('file:y'), releaseOf(lock)]) {
        expect(await send(a, step, { epoch: 'f'.repeat(32) })).toMatchObject({ outcomes: null, fresh: true })
      }
      expect((await a.list()).leases).toHaveLength(1)
    },
  },
  {
    title: 'is refused as a late copy',
    run: async (world, send) => {
      const [a] = world.sessions('a')
      const lock = await a.acquire('file:x')
      await a.heartbeat()
      for (const step of [a.asking('file:y'), releaseOf(lock)]) {
        await expect(send(a, step, { number: 1 })).rejects.toMatchObject({ code: 'INVALID' })
      }
      expect((await a.list()).leases).toHaveLength(1)
    },
  },
  {
    title: 'gives tokens above all that the session has seen',
    run: async (world, send) => {
      const [a] = world.sessions('a')
      const floor = (await a.acquire('file:x')).fence + 10_000_000
      const { outcomes } = await send(a, a.asking('file:y'), { floor })
      const [granted] = outcomes ?? []
      expect(granted?.type === 'granted' && granted.fence).toBeGreaterThan(floor)
    },
  },
  {
    title: 'acknowledges what has arrived',
    run: async (world, send) => {
      const [a, looker] = world.sessions('a', 'looker')
      const b = world.session('b', { deadMs: 60_000 })
      const lock = await a.acquire('file:x')
      const place = await b.queue('file:x', { ttlMs: 80_000 })
      await a.release(lock)
      b.acknowledges = false
      await b.granted(place)
      b.acknowledges = true
      const { now, messages } = await send(b, b.asking('file:y'))
      expect(messages).toEqual([])
      expect((await looker.inspect('file:x')).leases).toMatchObject([{ expiresAt: now + 80_000 }])
    },
  },
  {
    title: 'brings what has not been acknowledged',
    run: async (world, send) => {
      const [a, admin] = world.sessions('a', 'admin')
      const [lock, other] = [await a.acquire('file:x'), await a.acquire('file:y')]
      await admin.force('file:x')
      for (const step of [a.asking('file:z'), releaseOf(other)]) {
        expect((await send(a, step, { acked: 0 })).messages).toMatchObject([{ type: 'lost', id: lock.id }])
      }
    },
  },
  {
    title: 'tells a session that the store has lost a message, an id or a batch that it knows',
    run: async (world, send) => {
      for (const known of ['acked', 'lastId', 'answered'] as const) {
        for (const kind of ['acquire', 'release'] as const) {
          const a = world.session(`${known}-${kind}`)
          const lock = await a.acquire(`file:${known}/${kind}`)
          const step = kind === 'acquire' ? a.asking(`file:${known}`) : releaseOf(lock)
          const lost: Partial<Batch> = { [known]: lock.id + 1000 }
          expect((await send(a, step, lost)).fresh, `${known}, ${kind}`).toBe(true)
        }
      }
    },
  },
  {
    title: 'tells a session that it was silent for too long, also where somebody has noticed that before',
    run: async (world, send) => {
      const [other] = world.sessions('other')
      const a = world.session('a', { deadMs: SOON_MS })
      const lock = await a.acquire('file:x', { ttlMs: LATER_MS })
      for (const step of [a.asking('file:y'), releaseOf(lock)]) {
        await world.advance(SOON_MS)
        await other.heartbeat()
        await other.heartbeat()
        expect((await send(a, step)).fresh).toBe(true)
      }
    },
  },
  {
    title: 'says, as any batch, how long the session may be silent',
    run: async (world, send) => {
      const [a, b, c] = world.sessions('a', 'b', 'c')
      await a.acquire('file:x')
      await b.queue('file:x')
      const { cursor } = await c.events(null)
      await send(b, b.asking('file:y'), { deadMs: SOON_MS })
      await world.advance(SOON_MS)
      await c.heartbeat()
      expect((await logged(c, cursor)).at(-1)).toBe('b abandoned')
    },
  },
  {
    title: 'comes after what expires elsewhere',
    run: async (world, send) => {
      const [a, c] = world.sessions('a', 'c')
      const lock = await c.acquire('file:z')
      for (const step of [c.asking('file:y'), releaseOf(lock)]) {
        await a.acquire('file:x', { ttlMs: SOON_MS })
        const { cursor } = await c.events(null)
        await world.advance(SOON_MS)
        await send(c, step)
        expect((await logged(c, cursor))[0]).toBe('a expired')
      }
    },
  },
  {
    title: 'comes after the death of one who waits, where nothing else is due',
    run: async (world, send) => {
      const [a, c] = world.sessions('a', 'c')
      const b = world.session('b', { deadMs: SOON_MS })
      await c.heartbeat()
      await a.acquire('file:x')
      const { cursor } = await c.events(null)
      await b.queue('file:x')
      await world.advance(SOON_MS)
      await send(c, c.asking('file:z'))
      expect((await logged(c, cursor)).slice(0, 3)).toEqual(['b waiting', 'b abandoned', 'c locked'])
    },
  },
  {
    title: 'goes on with what earlier batches have left to do',
    run: async (world, send) => {
      const [a, b, readers] = world.sessions('a', 'b', 'readers')
      const [lock, other] = [await a.acquire('file:x'), await b.acquire('file:y')]
      const steps = Array.from({ length: 3 * BUDGET + 1 }, () => readers.asking('file:x', { mode: 'shared' }))
      while (steps.length > 0) await readers.send(steps.splice(0, 100))
      await a.release(lock)
      expect((await send(b, b.asking('file:z'))).more).toBe(true)
      const { outcomes, more } = await send(b, releaseOf(other))
      expect([outcomes?.[0], more]).toMatchObject([{ released: true }, true])
      expect((await b.heartbeat()).more).toBe(false)
    },
  },
  {
    title: 'says when what the session waits for elsewhere will be free',
    run: async (world, send) => {
      const [a, b] = world.sessions('a', 'b')
      const held = await b.acquire('file:y')
      const { expiresAt } = await a.acquire('file:x', { ttlMs: LATER_MS })
      await b.queue('file:x')
      expect(await send(b, b.asking('file:z'))).toMatchObject({ wakeAt: expiresAt })
      expect(await send(b, releaseOf(held))).toMatchObject({ wakeAt: expiresAt })
    },
  },
]

/** A plain grant or release is what nearly everybody sends. Whoever is quick about it must overlook nothing. */
export const quickTopics: readonly ContractTopic[] = [
  { topic: 'one plain step alone', cases: casesOf(alone) },
  { topic: 'a plain step beside another', cases: casesOf(besideAnother) },
]

function casesOf(send: Send): readonly ContractCase[] {
  return CASES.map(({ title, run }) => ({ title, run: (world) => run(world, send) }))
}

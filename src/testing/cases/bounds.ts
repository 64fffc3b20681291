import type { RequestRef, Step } from '../../core/store.ts'
import type { Actor } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 300
const LATER_MS = 4000

/** How much a batch may do in passing. */
const BUDGET = 256

const LOOK_AT_X: Step = { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 1000, waiters: 0 }

/** Sends many steps in batches of a hundred. */
async function sendAll(actor: Actor, steps: readonly Step[]): Promise<void> {
  for (let sent = 0; sent < steps.length; sent += 100) await actor.send(steps.slice(sent, sent + 100))
}

async function crowd(actor: Actor, size: number, make: (index: number) => Step): Promise<void> {
  await sendAll(
    actor,
    Array.from({ length: size }, (_, index) => make(index)),
  )
}

function grantsTo(actor: Actor): number {
  return actor.inbox.filter(({ type }) => type === 'granted').length
}

export const boundsTopic: ContractTopic = {
  topic: 'bounded steps',
  cases: [
    {
      title: 'a step grants at most 256 in passing, says that there is more, and the next batches go on',
      run: async (world) => {
        const [a, readers] = world.sessions('a', 'readers')
        const lock = await a.acquire('file:x')
        await crowd(readers, 600, () => readers.asking('file:x', { mode: 'shared' }))
        const answer = await a.send([{ type: 'release', id: lock.id, token: lock.token, expired: false }, LOOK_AT_X])
        expect(answer.more).toBe(true)
        const [, look] = answer.outcomes ?? []
        expect(look?.type === 'inspected' && look.leases.length).toBe(BUDGET)
        expect(await a.settle()).toBeLessThan(10)
        while (grantsTo(readers) < 600) expect((await readers.send()).messages.length).toBeGreaterThan(0)
        expect(grantsTo(readers)).toBe(600)
      },
    },
    {
      title: 'what remains keeps its order: newcomers cannot overtake it',
      run: async (world) => {
        const [a, readers, writer, late] = world.sessions('a', 'readers', 'writer', 'late')
        const lock = await a.acquire('file:x')
        await crowd(readers, 600, () => readers.asking('file:x', { mode: 'shared' }))
        const { outcomes } = await a.send([
          { type: 'release', id: lock.id, token: lock.token, expired: false },
          a.asking('file:x', { waitMs: 0 }),
        ])
        expect(outcomes?.[1]).toMatchObject({ type: 'busy' })
        const writing = await writer.queue('file:x')
        const reading = await late.queue('file:x', { mode: 'shared' })
        await a.settle()
        while (grantsTo(readers) < 600) expect((await readers.send()).messages.length).toBeGreaterThan(0)
        await writer.waits(writing)
        await late.waits(reading)
      },
    },
    {
      title: 'expiry is judged exactly for what a step touches, however much has expired at once',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await crowd(a, 1000, (index) => a.asking(`file:x${index}`, { ttlMs: SOON_MS }))
        await world.advance(SOON_MS)
        const answer = await b.send([b.asking('file:x999', { waitMs: 0 }), b.asking('file:x998', { waitMs: 0 })])
        expect(answer.outcomes).toMatchObject([{ type: 'granted' }, { type: 'granted' }])
        expect(answer.more).toBe(true)
        expect((await b.inspect('file:x997')).leases).toEqual([])
        expect((await b.list({ agentId: 'a' })).leases).toEqual([])
      },
    },
    {
      title: 'everything that expired at once is reported, once, by the batches that go on',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await crowd(a, 700, (index) => a.asking(`file:x${index}`, { ttlMs: SOON_MS }))
        const { cursor } = await b.events(null)
        await world.advance(SOON_MS)
        expect(await b.settle()).toBeLessThan(10)
        const { events } = await b.events(cursor)
        expect(events.filter(({ type }) => type === 'resource.expired')).toHaveLength(700)
        expect(new Set(events.map(({ fence }) => fence)).size).toBe(700)
        while (a.inbox.length < 700) expect((await a.send()).messages.length).toBeGreaterThan(0)
        expect(a.inbox.every(({ type }) => type === 'lost')).toBe(true)
      },
    },
    {
      title: 'what waits for something that expired is granted while other things still expire',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        // Long enough for all of them to be in line by then, also in real time on a busy machine.
        await crowd(a, 1500, (index) => a.asking(`file:x${index}`, { ttlMs: LATER_MS }))
        await crowd(b, 1500, (index) => b.asking(`file:x${index}`))
        await world.advance(LATER_MS)
        for (let batch = 0; batch < 4; batch += 1) await c.send()
        await b.send()
        expect(grantsTo(b)).toBeGreaterThan(BUDGET / 2)
        await c.settle()
        while (grantsTo(b) < 1500) expect((await b.send()).messages.length).toBeGreaterThan(0)
      },
    },
    {
      title: 'a line whose dead no step can skip at once says busy or again, and is passed by the batches that follow',
      run: async (world) => {
        const [a, c] = world.sessions('a', 'c')
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await a.acquire('file:x')
        await crowd(b, 1000, () => b.asking('file:x'))
        await world.advance(SOON_MS)
        await a.release(lock)
        let outcome = await c.ask('file:x', { waitMs: 0 })
        for (let tries = 0; outcome.type === 'again' && tries < 10; tries += 1)
          outcome = await c.ask('file:x', { waitMs: 0 })
        expect(outcome).toMatchObject({ type: 'granted' })
      },
    },
    {
      title: 'a request behind more dead than one step can skip is granted without a further request',
      run: async (world) => {
        const [a, c] = world.sessions('a', 'c')
        const b = world.session('b', { deadMs: SOON_MS })
        const lock = await a.acquire('file:x')
        await crowd(b, 1000, () => b.asking('file:x'))
        const place = await c.queue('file:x')
        await world.advance(SOON_MS)
        await a.release(lock)
        await a.settle()
        await c.granted(place)
      },
    },
    {
      title: 'forcing more leases than one step may end says that it is unfinished, and the next step goes on',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        await crowd(a, 600, () => a.asking('file:x', { mode: 'shared' }))
        let ended = 0
        let outcome = await admin.force('file:x')
        expect(outcome.unfinished).toBe(true)
        for (; outcome.unfinished; outcome = await admin.force('file:x')) ended += outcome.ended.length
        expect(ended + outcome.ended.length).toBe(600)
        expect((await admin.inspect('file:x')).leases).toEqual([])
      },
    },
    {
      title:
        'an answer carries a bounded number of messages, says that there are more, and repeats none that was acknowledged',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        await crowd(a, 700, (index) => a.asking(`file:t/${index}`))
        for (let index = 0; index < 700; index += 100) {
          await admin.send(
            Array.from({ length: 100 }, (_, each) => ({
              type: 'force',
              resourceId: `file:t/${index + each}`,
              scope: 'node',
              fence: null,
              by: 'admin',
              reason: 'test',
            })),
          )
        }
        let answer = await a.send()
        expect(answer.more).toBe(true)
        expect(answer.messages.length).toBeLessThanOrEqual(BUDGET)
        while (answer.more) answer = await a.send()
        expect(a.inbox.map(({ number }) => number)).toEqual(Array.from({ length: 700 }, (_, index) => index + 1))
        expect((await a.send()).messages).toEqual([])
      },
    },
    {
      title:
        'many releases in one batch end their leases at once; those who wait are granted in order by the batches that go on',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const locks: RequestRef[] = []
        for (let index = 0; index < 600; index += 1) locks.push(await a.acquire(`file:x${index}`))
        await crowd(b, 600, (index) => b.asking(`file:x${index}`))
        const answer = await a.send(locks.map(({ id, token }) => ({ type: 'release', id, token, expired: false })))
        expect(answer.outcomes?.every((outcome) => outcome.type === 'released' && outcome.released)).toBe(true)
        expect(answer.more).toBe(true)
        expect(await a.settle()).toBeLessThan(10)
        while (grantsTo(b) < 600) expect((await b.send()).messages.length).toBeGreaterThan(0)
        const ids = b.inbox.map(({ id }) => id)
        expect(ids).toEqual(ids.toSorted((x, y) => x - y))
      },
    },
  ],
}

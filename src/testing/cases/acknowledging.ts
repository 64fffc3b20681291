import type { Message, ReleaseStep } from '../../core/store.ts'
import type { Actor, Held } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'
import type { World } from '../world.ts'

const LEASE_MS = 80_000
const DEAD_MS = 60_000

/** What another history of the store could have posted under the number of a message. */
const OTHERS: readonly (readonly [string, (message: Message) => readonly Message[]])[] = [
  ['a grant with another token', (message) => [{ ...message, fence: 1 } as Message]],
  ['a grant of another request', (message) => [{ ...message, id: message.id + 1 }]],
  ['something else about the request', ({ number, id }) => [{ number, type: 'wanted', id, waiters: 1 }]],
  ['nothing of it', () => []],
]

/** Somebody who was granted what it waited for, has heard of it, and has not acknowledged it. */
async function grantedByMessage(world: World): Promise<{ readonly b: Actor; readonly held: Held }> {
  const [a] = world.sessions('a')
  const b = world.session('b', { deadMs: DEAD_MS })
  const lock = await a.acquire('file:x')
  const place = await b.queue('file:x', { ttlMs: LEASE_MS })
  await a.release(lock)
  b.acknowledges = false
  const held = await b.granted(place)
  b.acknowledges = true
  return { b, held }
}

function releaseOf({ id, token }: Held): ReleaseStep {
  return { type: 'release', id, token, expired: false }
}

async function expiresAt(world: World): Promise<number | undefined> {
  const [looker] = world.sessions('looker')
  return (await looker.inspect('file:x')).leases[0]?.expiresAt
}

export const acknowledgingTopic: ContractTopic = {
  topic: 'acknowledgements',
  cases: [
    ...OTHERS.map(([what, other]) => ({
      title: `a session that has received ${what} under the number of a message is told that it is fresh, and the message comes again`,
      run: async (world: World) => {
        const { b, held } = await grantedByMessage(world)
        const answer = await b.send([], { received: b.inbox.flatMap(other) })
        expect(answer.fresh).toBe(true)
        expect(answer.messages).toMatchObject([{ type: 'granted', id: held.id, fence: held.fence }])
        expect(await expiresAt(world)).toBe(held.expiresAt)
        const { fresh, messages, now } = await b.heartbeat()
        expect([fresh, messages]).toEqual([false, []])
        expect(await expiresAt(world)).toBe(now + LEASE_MS)
      },
    })),
    {
      title: 'it loses its places in line, as does whoever was dead',
      run: async (world) => {
        const [c] = world.sessions('c')
        const { b } = await grantedByMessage(world)
        const lock = await c.acquire('file:y')
        b.acknowledges = false
        const place = await b.queue('file:y')
        b.acknowledges = true
        expect((await b.send([], { received: [] })).fresh).toBe(true)
        await c.release(lock)
        await b.waits(place)
      },
    },
    ...OTHERS.map(([what, other]) => ({
      title: `so is one who has received ${what} where it hands on what it was granted, or asks for it again`,
      run: async (world: World) => {
        const [a, b, c, d] = world.sessions('a', 'b', 'c', 'd')
        const lock = await a.acquire('file:x')
        const [own, next] = [await b.queue('file:x'), await c.queue('file:x')]
        await d.queue('file:x')
        await a.release(lock)
        b.acknowledges = false
        const held = await b.granted(own)
        for (const step of [b.asking('file:x'), releaseOf(held)]) {
          // Once with nothing else to do.
          await b.heartbeat()
          const misled = { acked: b.inbox.at(-1)?.number ?? 0, received: b.inbox.flatMap(other) }
          expect(await b.send([step], misled)).toMatchObject({ fresh: true })
        }
        await c.granted(next)
      },
    })),
    {
      title: 'each message counts, not only the last one',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        for (const name of ['x', 'y', 'z']) await a.acquire(`file:${name}`)
        for (const name of ['x', 'y', 'z']) await admin.force(`file:${name}`)
        const { messages } = await a.send([], { acked: 0 })
        const [first, second, third] = messages
        if (first === undefined || second === undefined || third === undefined) throw new Error('three were lost')
        const received = [first, { ...second, id: first.id }, third]
        const misled = await a.send([], { received })
        expect([misled.fresh, misled.messages.length]).toEqual([true, 3])
        expect((await a.send([], { acked: 2 })).fresh).toBe(false)
        expect((await a.send([], { acked: 3, received: [third] })).fresh).toBe(false)
        expect((await a.heartbeat()).messages).toEqual([])
      },
    },
    {
      title: 'what was acknowledged once is not asked for again',
      run: async (world) => {
        const { b, held } = await grantedByMessage(world)
        await b.heartbeat()
        expect((await b.send([], { received: [] })).fresh).toBe(false)
        const released = await b.send([releaseOf(held)])
        expect([released.fresh, released.outcomes?.[0]]).toMatchObject([false, { released: true }])
      },
    },
    {
      title: 'a repeated batch gets the same answer also where it has shown that the store went back',
      run: async (world) => {
        const { b } = await grantedByMessage(world)
        const answer = await b.send([b.asking('file:y')], { received: [] })
        expect(answer).toMatchObject({ fresh: true, outcomes: [{ type: 'granted' }] })
        expect(await b.repeat()).toEqual(answer)
      },
    },
  ],
}

import { Pool } from 'pg'
import { describe, expect, test, vi } from 'vitest'
import type { LockStore, Message, Step } from '../../src/core/store.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { Actor } from '../../src/testing/actor.ts'
import { freshNamespace, sharedPostgres } from '../support/postgres-store.ts'

/** What people may write that Postgres would not take as text, or would take for something else. */
const AWKWARD = [
  '\u0000',
  'a\u0000b',
  '\u0001',
  '\u00010000',
  '\ud800',
  '\udfff x',
  '\\u0000',
  "'; --",
  '$1',
  '"{}"',
  '𝒳',
]

function actorOf(store: LockStore, name: string): Actor {
  return new Actor({ name, store, deadMs: 60_000, tell: () => {} })
}

async function open(): Promise<LockStore> {
  const { pool } = await sharedPostgres()
  return postgresStore(pool).open(freshNamespace())
}

describe('text', () => {
  test.each(AWKWARD)('%j comes back as it was written, wherever it may stand', async (text) => {
    const store = await open()
    const actor = actorOf(store, 'a')
    const { outcomes: start } = await actor.send([{ type: 'readEvents', since: null, limit: 1 }])
    const since = start?.[0]?.type === 'events' ? start[0].cursor : null
    const said = { agentId: text, reason: text, metadata: JSON.stringify({ text }), chain: text, token: text }
    const asking = actor.asking('file:x', said)
    const list: Step = { type: 'list', prefix: '', agentId: text, minAgeMs: 0, after: null }
    const { outcomes } = await actor.send([asking, list, actor.asking('file:x', said)])
    const told = { agentId: text, reason: text, metadata: said.metadata }
    expect(outcomes?.[1]).toMatchObject({ leases: [told] })
    expect(outcomes?.[2]).toMatchObject({ type: 'deadlock', cycle: [{ agentId: text }, { agentId: text }] })
    const force: Step = { type: 'force', resourceId: 'file:x', scope: 'node', fence: null, by: text, reason: text }
    const answer = await actor.send([force, actor.asking('file:x')])
    expect(answer.messages).toMatchObject([{ type: 'lost', loss: { kind: 'forced', by: text, reason: text } }])
    expect(answer.outcomes?.[1]).toMatchObject({ previous: [{ agentId: text, reason: text }] })
    const read = await actor.send([{ type: 'readEvents', since, limit: 10 }])
    expect(read.outcomes?.[0]).toMatchObject({
      events: [told, { ...told, type: 'resource.deadlock' }, { ...told, forced: { by: text, reason: text } }, {}],
    })
    await store.close()
  })
})

describe('isolation', () => {
  test.each(['read committed', 'repeatable read', 'serializable'])(
    'steps of many connections come one after another where transactions are %s',
    async (level) => {
      const { server } = await sharedPostgres()
      const pool = new Pool({ connectionString: server.url(), max: 8 })
      pool.on('connect', (client) => {
        void client.query(`SET default_transaction_isolation = '${level}'`)
      })
      const namespace = freshNamespace()
      const driver = postgresStore(pool)
      const stores = await Promise.all(Array.from({ length: 8 }, () => driver.open(namespace)))
      const actors = stores.map((store, index) => actorOf(store, `actor-${index}`))
      const fences: number[] = []
      let held = 0
      const work = async (actor: Actor): Promise<void> => {
        for (let done = 0; done < 20;) {
          const asking = actor.asking("file:it's", { waitMs: 0 })
          const { outcomes } = await actor.send([asking])
          const [outcome] = outcomes ?? []
          if (outcome?.type !== 'granted') continue
          done += 1
          held += 1
          expect(held).toBe(1)
          fences.push(outcome.fence)
          held -= 1
          await actor.send([{ type: 'release', id: outcome.id, token: asking.token, expired: false }])
        }
      }
      await Promise.all(actors.map(work))
      expect(fences).toHaveLength(160)
      expect(fences).toEqual(fences.toSorted((a, b) => a - b))
      for (const store of stores) await store.close()
      await pool.end()
    },
  )
})

describe('pushes', () => {
  test('what is too long for a notification asks for a heartbeat, which brings it', async () => {
    const { pool } = await sharedPostgres()
    const driver = postgresStore(pool)
    const namespace = freshNamespace()
    const [holding, waiting] = [await driver.open(namespace), await driver.open(namespace)]
    const holder = actorOf(holding, 'holder')
    const waiter = actorOf(waiting, 'waiter')
    const onMessages = vi.fn<(messages: readonly Message[]) => void>()
    const onInterruption = vi.fn<() => void>()
    const subscription = await waiting.subscribe(waiter.session, { onMessages, onInterruption })
    const resources = Array.from({ length: 100 }, (_, index) => `file:${index}`)
    const reason = 'x'.repeat(500)
    const first = holder.asking(resources, { reason })
    const { outcomes } = await holder.send([first])
    await waiter.send([waiter.asking(resources)])
    const [granted] = outcomes ?? []
    if (granted?.type !== 'granted') throw new Error('nobody held it')
    onInterruption.mockClear()
    await holder.send([{ type: 'release', id: granted.id, token: first.token, expired: false }])
    await vi.waitFor(() => expect(onInterruption).toHaveBeenCalled(), { timeout: 10_000 })
    expect(onMessages).not.toHaveBeenCalled()
    const { messages } = await waiter.send([])
    expect(messages).toMatchObject([{ type: 'granted', previous: { length: 100 } }])
    await subscription.close()
    await holding.close()
    await waiting.close()
  })
})

describe('namespaces', () => {
  test('share tables and nothing else', async () => {
    const [one, other] = [await open(), await open()]
    const [a, b] = [actorOf(one, 'a'), actorOf(other, 'b')]
    const same = [a.asking('file:x')]
    const answers = [await a.send(same), await b.send(same, { session: a.session })]
    expect(answers.map(({ outcomes }) => outcomes?.[0])).toMatchObject([
      { type: 'granted', id: 1 },
      { type: 'granted', id: 1 },
    ])
    expect(answers[0]?.epoch).not.toBe(answers[1]?.epoch)
    await one.close()
    await other.close()
  })
})

describe('the log', () => {
  test('keeps few more rows than it has to, also where every batch is a lone step', async () => {
    const { pool } = await sharedPostgres()
    const namespace = freshNamespace()
    const store = await postgresStore(pool, { limits: { events: 8 } }).open(namespace)
    const actor = actorOf(store, 'a')
    for (let pair = 0; pair < 20; pair += 1) await actor.release(await actor.acquire('file:x'))
    const { rows } = await pool.query<{ count: number }>(
      'SELECT count(*)::int FROM holdfast.log l JOIN holdfast.namespaces n ON n.id = l.ns WHERE n.name = $1',
      [namespace],
    )
    expect(rows[0]?.count).toBeGreaterThanOrEqual(8)
    expect(rows[0]?.count).toBeLessThan(12)
    await store.close()
  })
})

describe('previous holders', () => {
  test('beyond the limit exactly the oldest are forgotten, in whichever order resources come again', async () => {
    const { pool } = await sharedPostgres()
    const store = await postgresStore(pool, { limits: { previous: 3 } }).open(freshNamespace())
    const actor = actorOf(store, 'a')
    const hold = async (name: string): Promise<void> => {
      const asking = actor.asking(`file:${name}`)
      const [outcome] = (await actor.send([asking])).outcomes ?? []
      if (outcome?.type !== 'granted') throw new Error(`${name} was not free`)
      await actor.send([{ type: 'release', id: outcome.id, token: asking.token, expired: false }])
    }
    const remembered = async (): Promise<string> => {
      const names = ['a', 'b', 'c', 'd', 'e']
      const steps = names.map((name): Step => ({
        type: 'inspect',
        resourceId: `file:${name}`,
        scope: 'node',
        leases: 0,
        waiters: 0,
      }))
      const { outcomes } = await actor.send(steps)
      return names
        .filter((_, index) => {
          const outcome = outcomes?.[index]
          return outcome?.type === 'inspected' && outcome.previous !== null
        })
        .join('')
    }
    for (const name of ['a', 'b', 'c', 'a']) await hold(name)
    expect(await remembered()).toBe('abc')
    await hold('d')
    expect(await remembered()).toBe('acd')
    for (const name of ['c', 'a', 'd', 'e']) await hold(name)
    expect(await remembered()).toBe('ade')
    await store.close()
  })
})

import { describe, expect, test } from 'vitest'
import { parseClaims, type ResourceInput } from '../../src/core/resource/resource.ts'
import {
  type AcquireStep,
  type Answer,
  type Batch,
  DEFAULT_LIMITS,
  type RequestRef,
  type Step,
} from '../../src/core/store.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { writeBatch } from '../../src/stores/postgres/wire.ts'
import { freshNamespace, sharedPostgres } from '../support/postgres-store.ts'

const SCHEMA = 'holdfast_costs'
const CALL = `${SCHEMA}.apply($1::text, $2::text, $3::text, $4::text, $5::boolean, $6::text, NULL)`

/** Steps per batch while a namespace is filled. */
const CROWD = 250

interface Explained {
  readonly 'QUERY PLAN': readonly {
    readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number }
  }[]
}

/** A namespace of which it is counted how many pages of the database its batches touch. */
class Bench {
  readonly #namespace = freshNamespace()
  readonly #numbers = new Map<string, number>()
  #tokens = 0

  ask(resources: ResourceInput | readonly ResourceInput[], change: Partial<AcquireStep> = {}): AcquireStep {
    this.#tokens += 1
    return {
      type: 'acquire',
      token: `t${this.#tokens}`,
      agentId: 'a',
      claims: parseClaims(resources, 'exclusive'),
      ttlMs: 3_600_000,
      waitMs: null,
      chain: null,
      reentrant: false,
      holding: null,
      reason: null,
      metadata: null,
      maxHoldMs: null,
      ...change,
    }
  }

  async send(session: string, steps: readonly Step[] = []): Promise<Answer> {
    const { pool } = await sharedPostgres()
    const store = await postgresStore(pool, { schema: SCHEMA }).open(this.#namespace)
    const answer = await store.apply(this.#batch(session, steps))
    await store.close()
    return answer
  }

  /** How many pages these steps touch in a batch of their own; its outcomes come with the same batch once more. */
  async cost(session: string, steps: readonly Step[] = []): Promise<{ pages: number; answer: Answer }> {
    const { pool } = await sharedPostgres()
    const batch = this.#batch(session, steps)
    const values = [this.#namespace, ...writeBatch(batch, DEFAULT_LIMITS)]
    const { rows } = await pool.query<Explained>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT ${CALL}`, values)
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    if (plan === undefined) throw new Error('nothing was explained')
    const store = await postgresStore(pool, { schema: SCHEMA }).open(this.#namespace)
    const answer = await store.apply(batch)
    await store.close()
    return { pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], answer }
  }

  async crowd(session: string, count: number, make: (index: number) => AcquireStep): Promise<RequestRef[]> {
    const refs: RequestRef[] = []
    for (let sent = 0; sent < count; sent += CROWD) {
      const steps = Array.from({ length: Math.min(CROWD, count - sent) }, (_, index) => make(sent + index))
      const { outcomes } = await this.send(session, steps)
      steps.forEach(({ token }, index) => {
        const outcome = outcomes?.[index]
        if (outcome !== undefined && 'id' in outcome) refs.push({ id: outcome.id, token })
      })
    }
    return refs
  }

  #batch(session: string, steps: readonly Step[]): Batch {
    const number = (this.#numbers.get(session) ?? 0) + 1
    this.#numbers.set(session, number)
    const answered = number - 1
    return { session, number, epoch: null, acked: 0, deadMs: 3_600_000, floor: 0, answered, lastId: 0, steps }
  }
}

function release({ id, token }: RequestRef): Step {
  return { type: 'release', id, token, expired: false }
}

function refOf({ answer }: { readonly answer: Answer }, { token }: AcquireStep): RequestRef {
  const [outcome] = answer.outcomes ?? []
  if (outcome === undefined || !('id' in outcome)) throw new Error('it was neither granted nor put in line')
  return { id: outcome.id, token }
}

async function install(): Promise<void> {
  const { pool } = await sharedPostgres()
  await postgresStore(pool, { schema: SCHEMA }).migration.run()
}

/** What the usual steps cost among so many leases and waiters that have nothing to do with them. */
async function usualCosts(size: number, hasTrees: boolean): Promise<Record<string, number>> {
  const bench = new Bench()
  await bench.crowd('holders', size, (index) => bench.ask(`file:p/${index}/x`, { chain: `h${index}` }))
  const waiter = (index: number): string => (hasTrees && index % 10 === 0 ? `file:p/${index}/**` : `file:p/${index}/x`)
  await bench.crowd('waiters', size, (index) => bench.ask(waiter(index), { chain: `w${index}` }))
  await bench.send('a')
  await bench.send('b')
  const costs: Record<string, number> = {}
  const cost = async (name: string, session: string, steps: readonly Step[]): Promise<{ answer: Answer }> => {
    const { pages, answer } = await bench.cost(session, steps)
    costs[name] = pages
    return { answer }
  }
  const asking = bench.ask('file:q/x', { chain: 'c' })
  const lock = refOf(await cost('acquire', 'a', [asking]), asking)
  await cost('busy', 'b', [bench.ask('file:q/x', { waitMs: 0 })])
  await cost('extend', 'a', [{ type: 'extend', ...lock, fence: null, ttlMs: 2000, automatic: true }])
  const waiting = bench.ask('file:q/x', { chain: 'd' })
  const place = refOf(await cost('join', 'b', [waiting]), waiting)
  await cost('heartbeat', 'b', [])
  await cost('hand over', 'a', [release(lock)])
  await cost('release', 'b', [release(place)])
  await cost('tree', 'a', [bench.ask('file:q/**')])
  await cost('inspect', 'a', [{ type: 'inspect', resourceId: 'file:q/x', scope: 'node', leases: 10, waiters: 10 }])
  return costs
}

describe('a step touches as many pages whatever else is in the namespace', () => {
  test.each([false, true])('with trees: %s', { timeout: 300_000 }, async (hasTrees) => {
    await install()
    const few = await usualCosts(10, hasTrees)
    const many = await usualCosts(5000, hasTrees)
    for (const [name, pages] of Object.entries(many)) {
      // Indexes are a level or two deeper, and the planner has seen other statistics.
      expect(pages, `${name}: ${pages} pages instead of ${few[name]}`).toBeLessThan(3 * (few[name] ?? 0) + 40)
    }
  })

  test('a line of 3 000 costs no more than a line of 30', { timeout: 300_000 }, async () => {
    await install()
    const costsOf = async (size: number): Promise<Record<string, number>> => {
      const bench = new Bench()
      const asking = bench.ask('file:x')
      const lock = refOf({ answer: await bench.send('holder', [asking]) }, asking)
      const places = await bench.crowd('line', size, () => bench.ask('file:x'))
      const middle = places[size / 2]
      if (middle === undefined) throw new Error('the line is empty')
      await bench.send('late')
      const join = (await bench.cost('late', [bench.ask('file:x')])).pages
      const leave = (await bench.cost('line', [{ type: 'cancel', ...middle, explain: null }])).pages
      const handOver = (await bench.cost('holder', [release(lock)])).pages
      return { join, leave, handOver }
    }
    const few = await costsOf(30)
    const many = await costsOf(3000)
    for (const [name, pages] of Object.entries(many)) {
      // A line is counted up to 1 000.
      expect(pages, `${name}: ${pages} pages instead of ${few[name]}`).toBeLessThan(3 * (few[name] ?? 0) + 400)
    }
  })
})

import { describe, expect, test } from 'vitest'
import { type Answer, type Batch, DEFAULT_LIMITS } from '../../src/core/store.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { APPLY_TYPES } from '../../src/stores/postgres/schema.ts'
import { writeBatch } from '../../src/stores/postgres/wire.ts'
import { CostBench, lineCosts, type Measured, usualCosts } from '../support/cost-bench.ts'
import { freshNamespace, sharedPostgres } from '../support/postgres-store.ts'

const SCHEMA = 'holdfast_costs'
const CALL = `${SCHEMA}.apply(${APPLY_TYPES.map((type, index) => `$${index + 1}::${type}`).join(', ')})`

interface Explained {
  readonly 'QUERY PLAN': readonly {
    readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number }
  }[]
}

/** A namespace of which it is counted how many pages of the database its batches touch. */
class Bench extends CostBench<number> {
  protected override readonly batchSize = 250
  readonly #namespace = freshNamespace()

  protected override async apply(batch: Batch): Promise<Answer> {
    const { pool } = await sharedPostgres()
    const store = await postgresStore(pool, { schema: SCHEMA }).open(this.#namespace)
    const answer = await store.apply(batch)
    await store.close()
    return answer
  }

  /** The answer comes with the same batch once more. */
  protected override async measure(batch: Batch): Promise<Measured<number>> {
    const { pool } = await sharedPostgres()
    const values = [this.#namespace, ...writeBatch(batch, DEFAULT_LIMITS), null]
    const { rows } = await pool.query<Explained>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT ${CALL}`, values)
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    if (plan === undefined) throw new Error('nothing was explained')
    return { cost: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], answer: await this.apply(batch) }
  }
}

async function install(): Promise<void> {
  const { pool } = await sharedPostgres()
  await postgresStore(pool, { schema: SCHEMA }).migration.run()
}

describe('a step touches as many pages whatever else is in the namespace', () => {
  test.each([false, true])('with trees: %s', { timeout: 300_000 }, async (hasTrees) => {
    await install()
    const few = await usualCosts(new Bench(), 10, hasTrees)
    const many = await usualCosts(new Bench(), 5000, hasTrees)
    for (const [name, pages] of Object.entries(many)) {
      // Indexes are a level or two deeper, and the planner has seen other statistics.
      expect(pages, `${name}: ${pages} pages instead of ${few[name]}`).toBeLessThan(3 * (few[name] ?? 0) + 40)
    }
  })

  test('a line of 3 000 costs no more than a line of 30', { timeout: 300_000 }, async () => {
    await install()
    const few = await lineCosts(new Bench(), 30)
    const many = await lineCosts(new Bench(), 3000)
    for (const [name, pages] of Object.entries(many)) {
      // A line is counted up to 1 000.
      expect(pages, `${name}: ${pages} pages instead of ${few[name]}`).toBeLessThan(3 * (few[name] ?? 0) + 400)
    }
  })
})

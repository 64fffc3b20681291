import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Answer, Batch } from '../../src/core/store.ts'
import type { RedisStore } from '../../src/stores/redis/store.ts'
import { CostBench, lineCosts, type Measured, release, usualCosts } from '../support/cost-bench.ts'
import { RedisServer } from '../support/redis-server.ts'
import { openRedisTable } from '../support/redis-table.ts'

/** Commands that the tests themselves cause. */
const OUTER = new Set(['fcall', 'info'])

let server: RedisServer

beforeAll(async () => {
  server = await RedisServer.start()
})

/** A namespace on a server of its own, where it is counted which commands a batch executes. */
class Bench extends CostBench<number> {
  readonly #store: RedisStore

  private constructor(store: RedisStore) {
    super()
    this.#store = store
  }

  static async open(): Promise<Bench> {
    const bench = new Bench(await openRedisTable(server, randomUUID()))
    // The table is loaded, the namespace is there, and its sessions are known.
    for (const session of ['a', 'b', 'c']) await bench.send(session)
    return bench
  }

  protected override apply(batch: Batch): Promise<Answer> {
    return this.#store.apply(batch)
  }

  protected override async measure(batch: Batch): Promise<Measured<number>> {
    const before = await commands()
    const answer = await this.apply(batch)
    return { cost: (await commands()) - before, answer }
  }
}

async function commands(): Promise<number> {
  let sum = 0
  for (const [name, calls] of await server.calls()) if (!OUTER.has(name)) sum += calls
  return sum
}

describe('in commands that the server executes', () => {
  test('a lone acquire and a lone release take less than ten', async () => {
    const bench = await Bench.open()
    const step = bench.ask('file:x')
    expect(await bench.cost('a', [step])).toBe(7)
    expect(await bench.cost('a', [release({ id: 1, token: step.token })])).toBe(9)
  })

  test('a hundred steps take as many as one', async () => {
    const bench = await Bench.open()
    const steps = Array.from({ length: 100 }, (_, index) => bench.ask(`file:x${index}`))
    expect(await bench.cost('a', steps)).toBe(7)
    const releases = steps.map(({ token }, index) => release({ id: index + 1, token }))
    expect(await bench.cost('a', releases)).toBe(9)
  })

  test('a request for eight resources takes as many as one for one', async () => {
    const bench = await Bench.open()
    const step = bench.ask(Array.from({ length: 8 }, (_, index) => `file:x${index}`))
    expect(await bench.cost('a', [step])).toBe(7)
    expect(await bench.cost('a', [release({ id: 1, token: step.token })])).toBe(9)
  })

  test('an extension and a heartbeat take next to none', async () => {
    const bench = await Bench.open()
    const lock = await bench.take('a', bench.ask('file:x'))
    const extend = { type: 'extend', fence: null, ttlMs: 7_200_000, ...lock } as const
    expect(await bench.cost('a', [{ ...extend, automatic: true }])).toBe(4)
    expect(await bench.cost('a', [{ ...extend, ttlMs: 9_000_000, automatic: false }])).toBe(6)
    expect(await bench.cost('a')).toBe(3)
  })

  test('what is done with a line takes the same with any number of waiters', { timeout: 60_000 }, async () => {
    const few = await lineCosts(await Bench.open(), 10)
    expect(few).toMatchObject({ join: 8, 'hand over': 19 })
    for (const waiters of [1_000, 10_000]) expect(await lineCosts(await Bench.open(), waiters)).toEqual(few)
  })

  test.each([false, true])(
    'the usual steps take the same whatever else is locked, with trees: %s',
    async (hasTrees) => {
      const few = await usualCosts(await Bench.open(), 10, hasTrees)
      expect(await usualCosts(await Bench.open(), 5_000, hasTrees)).toEqual(few)
    },
  )

  test('readers among a thousand readers, and a writer behind them, take a handful', async () => {
    const bench = await Bench.open()
    await bench.crowd('a', 1_000, () => bench.ask({ resourceId: 'file:x', mode: 'shared' }))
    const reader = bench.ask({ resourceId: 'file:x', mode: 'shared' })
    expect(await bench.cost('b', [reader])).toBe(7)
    expect(await bench.cost('b', [release({ id: 1001, token: reader.token })])).toBe(10)
    expect(await bench.cost('b', [bench.ask('file:x', { waitMs: 0 })])).toBeLessThanOrEqual(10)
  })

  test(
    'a tree over twenty thousand held leaves is refused, or waits, after a handful',
    { timeout: 60_000 },
    async () => {
      const bench = await Bench.open()
      await bench.crowd('a', 20_000, (index) => bench.ask(`file:src/${index % 100}/${index}`))
      expect(await bench.cost('b', [bench.ask('file:docs/**', { waitMs: 0 })])).toBeLessThanOrEqual(12)
      expect(await bench.cost('b', [bench.ask('file:src/**', { waitMs: 0 })])).toBeLessThanOrEqual(12)
      expect(await bench.cost('b', [bench.ask('file:src/**')])).toBeLessThanOrEqual(30)
    },
  )
})

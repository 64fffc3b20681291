import { describe, expect, test } from 'vitest'
import type { Answer, Batch, LockStore } from '../../src/core/store.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { DrivenClock } from '../../src/testing/index.ts'
import { CostBench, lineCosts, type Measured, release, usualCosts } from '../support/cost-bench.ts'
import { Counter, counted } from '../support/counting.ts'

/** What a batch cost: calls of the storage port, and rows that they gave. */
interface Cost {
  readonly calls: number
  readonly rows: number
}

/** A namespace whose storage operations are counted. */
class Bench extends CostBench<Cost> {
  readonly counter: Counter = new Counter()
  readonly clock: DrivenClock = new DrivenClock()
  protected override readonly batchSize = 1000
  readonly #store: Promise<LockStore>

  constructor() {
    super()
    const driver = memoryStore({ clock: this.clock, storage: (storage) => counted(storage, this.counter) })
    this.#store = driver.open('costs')
  }

  protected override async apply(batch: Batch): Promise<Answer> {
    return (await this.#store).apply(batch)
  }

  protected override async measure(batch: Batch): Promise<Measured<Cost>> {
    this.counter.reset()
    const answer = await this.apply(batch)
    return { cost: { calls: this.counter.calls, rows: this.counter.rows }, answer }
  }
}

describe('a step costs the same whatever else is in the namespace', () => {
  test('at 10, 1 000 and 100 000 leases and waiters that do not overlap', async () => {
    const few = await usualCosts(new Bench(), 10, true)
    expect(await usualCosts(new Bench(), 1000, true)).toEqual(few)
    expect(await usualCosts(new Bench(), 50_000, true)).toEqual(few)
  })

  test('and it is little', async () => {
    const costs = await usualCosts(new Bench(), 10, true)
    const calls = Object.fromEntries(Object.entries(costs).map(([name, cost]) => [name, cost.calls]))
    expect(calls).toMatchInlineSnapshot(`
      {
        "acquire": 14,
        "busy": 21,
        "confirm": 7,
        "extend": 8,
        "hand over": 28,
        "heartbeat": 7,
        "inspect": 18,
        "join": 28,
        "list": 7,
        "release": 16,
        "tree": 16,
      }
    `)
  })
})

describe('the hard cases', () => {
  test('20 000 leaves under a waiting tree are released one by one, each at the same low cost', async () => {
    const bench = new Bench()
    const leaves = await bench.crowd('a', 20_000, (index) => bench.ask(`file:t/${index}`))
    const join = await bench.cost('b', [bench.ask('file:t/**')])
    expect(join.calls).toBeLessThan(500)
    expect(join.rows).toBeLessThan(3000)
    let most = 0
    for (const leaf of leaves) most = Math.max(most, (await bench.cost('a', [release(leaf)])).calls)
    expect(most).toBeLessThan(60)
    const { messages } = await bench.send('b')
    expect(messages).toMatchObject([{ type: 'granted' }])
  })

  test('a line of 10 000 costs no more than a line of 100: to join, to hand over, to leave in the middle, to wait', async () => {
    const few = await lineCosts(new Bench(), 100)
    expect(await lineCosts(new Bench(), 10_000)).toEqual(few)
    for (const { calls } of Object.values(few)) expect(calls).toBeLessThan(60)
  })

  test('a dead third of a line is skipped in bounded steps, and everybody else is served in order', async () => {
    const bench = new Bench()
    let [lock] = await bench.crowd('holder', 1, () => bench.ask('file:x'))
    const tokens = new Map<number, string>()
    for (let index = 0; index < 300; index += 1) {
      const session = ['one', 'dead', 'two'][index % 3] ?? ''
      for (const { id, token } of await bench.crowd(
        session,
        1,
        () => bench.ask('file:x'),
        session === 'dead' ? 10 : 1_000_000,
      ))
        tokens.set(id, token)
    }
    await bench.clock.advance(10)
    const served: number[] = []
    let most = 0
    while (served.length < 200 && lock !== undefined) {
      most = Math.max(most, (await bench.cost('holder', [release(lock)])).calls)
      const messages = [...(await bench.send('one')).messages, ...(await bench.send('two')).messages]
      const granted = messages.find(({ type }) => type === 'granted')
      lock = granted === undefined ? undefined : { id: granted.id, token: tokens.get(granted.id) ?? '' }
      if (granted !== undefined) served.push(granted.id)
    }
    expect(served).toHaveLength(200)
    expect(served).toEqual(served.toSorted((a, b) => a - b))
    expect(most).toBeLessThan(3000)
  })

  test('100 000 leases that expire together are ended in steps of 256', async () => {
    const bench = new Bench()
    await bench.crowd('a', 100_000, (index) => bench.ask(`file:t/${index}`, { ttlMs: 1000 }))
    await bench.clock.advance(1000)
    let most = 0
    let batches = 0
    for (let more = true; more; batches += 1) {
      bench.counter.reset()
      more = (await bench.send('b')).more
      most = Math.max(most, bench.counter.calls)
    }
    expect(batches).toBeLessThanOrEqual(Math.ceil(100_000 / 256) + 2)
    expect(most).toBeLessThan(256 * 8)
  })

  test('10 000 readers are granted together in steps of 256', async () => {
    const bench = new Bench()
    const [lock] = await bench.crowd('a', 1, () => bench.ask('file:x'))
    await bench.crowd('readers', 10_000, () => bench.ask({ resourceId: 'file:x', mode: 'shared' }))
    if (lock === undefined) throw new Error('nobody holds it')
    const first = await bench.cost('a', [release(lock)])
    expect(first.calls).toBeLessThan(256 * 16)
    let batches = 1
    for (; (await bench.send('a')).more; batches += 1)
      expect(bench.counter.calls).toBeLessThan(256 * 16 * (batches + 2))
    expect(batches).toBeLessThanOrEqual(Math.ceil(10_000 / 256) + 1)
    let granted = 0
    for (let answer = await bench.send('readers'); answer.messages.length > 0; answer = await bench.send('readers')) {
      granted += answer.messages.filter(({ type }) => type === 'granted').length
    }
    expect(granted).toBe(10_000)
  })

  test('releases that each have somebody waiting never make a step dearer, however many are left over', async () => {
    const bench = new Bench()
    const locks = await bench.crowd('a', 5000, (index) => bench.ask(`file:t/${index}`))
    await bench.crowd('b', 5000, (index) => bench.ask(`file:t/${index}`))
    for (let sent = 0; sent < locks.length; sent += 1000)
      await bench.send('a', locks.slice(sent, sent + 1000).map(release))
    let most = 0
    for (let more = true; more;) {
      bench.counter.reset()
      more = (await bench.send('a')).more
      most = Math.max(most, bench.counter.calls)
    }
    expect(most).toBeLessThan(256 * 20)
  })

  test('a deep path costs in proportion to its depth where there are trees, and nothing more where there are none', async () => {
    const costAt = async (depth: number, hasTrees: boolean): Promise<number> => {
      const bench = new Bench()
      if (hasTrees) await bench.send('a', [bench.ask('file:other/**')])
      await bench.send('b')
      const path = Array.from({ length: depth }, () => 'd').join('/')
      return (await bench.cost('b', [bench.ask(`file:${path}`)])).calls
    }
    expect(await costAt(400, false)).toBe(await costAt(1, false))
    const [shallow, deep, deeper] = [await costAt(100, true), await costAt(200, true), await costAt(400, true)]
    expect(deep - shallow).toBe(100)
    expect(deeper - deep).toBe(200)
  })

  test('a chain’s request passes a line that waits for the chain’s lease at a cost of a few calls for each it passes', async () => {
    const bench = new Bench()
    await bench.send('a', [bench.ask('file:x', { chain: 'c' })])
    await bench.crowd('line', 1000, () => bench.ask(['file:x', 'file:y']))
    const { calls } = await bench.cost('a', [bench.ask('file:y', { chain: 'c' })])
    expect(calls).toBeLessThan(1000 * 4)
  })
})

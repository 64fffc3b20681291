import { describe, expect, test } from 'vitest'
import type { Claim } from '../../src/core/model.ts'
import { parseClaims, type ResourceInput } from '../../src/core/resource/resource.ts'
import type { AcquireStep, Answer, LockStore, RequestRef, Step } from '../../src/core/store.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { DrivenClock } from '../../src/testing/index.ts'
import { Counter, counted } from '../support/counting.ts'

/** What a batch cost: calls of the storage port, and rows that they gave. */
interface Cost {
  readonly calls: number
  readonly rows: number
}

/** A namespace whose storage operations are counted. */
class Bench {
  readonly counter: Counter = new Counter()
  readonly clock: DrivenClock = new DrivenClock()
  readonly store: Promise<LockStore>
  readonly #numbers = new Map<string, number>()
  readonly #acked = new Map<string, number>()
  #tokens = 0

  constructor() {
    const driver = memoryStore({ clock: this.clock, storage: (storage) => counted(storage, this.counter) })
    this.store = driver.open('costs')
  }

  asking(claims: readonly Claim[], change: Partial<AcquireStep> = {}): AcquireStep {
    this.#tokens += 1
    return {
      type: 'acquire',
      token: `t${this.#tokens}`,
      agentId: 'a',
      claims,
      ttlMs: 1000,
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

  ask(resources: ResourceInput | readonly ResourceInput[], change: Partial<AcquireStep> = {}): AcquireStep {
    return this.asking(parseClaims(resources, 'exclusive'), change)
  }

  async send(session: string, steps: readonly Step[] = [], deadMs = 1_000_000): Promise<Answer> {
    const number = (this.#numbers.get(session) ?? 0) + 1
    this.#numbers.set(session, number)
    const store = await this.store
    const acked = this.#acked.get(session) ?? 0
    const answer = await store.apply({
      session,
      number,
      epoch: null,
      acked,
      deadMs,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps,
    })
    this.#acked.set(session, answer.messages.at(-1)?.number ?? acked)
    return answer
  }

  /** What these steps cost in a batch of their own. */
  async cost(session: string, steps: readonly Step[] = []): Promise<Cost> {
    this.counter.reset()
    await this.send(session, steps)
    return { calls: this.counter.calls, rows: this.counter.rows }
  }

  /** Sends many requests, a thousand to a batch; where each stands. */
  async crowd(
    session: string,
    count: number,
    make: (index: number) => AcquireStep,
    deadMs?: number,
  ): Promise<RequestRef[]> {
    const refs: RequestRef[] = []
    for (let sent = 0; sent < count; sent += 1000) {
      const steps = Array.from({ length: Math.min(1000, count - sent) }, (_, index) => make(sent + index))
      const { outcomes } = await this.send(session, steps, deadMs)
      steps.forEach(({ token }, index) => {
        const outcome = outcomes?.[index]
        if (outcome !== undefined && 'id' in outcome) refs.push({ id: outcome.id, token })
      })
    }
    return refs
  }

  async settle(session: string): Promise<number> {
    for (let batches = 1; ; batches += 1) if (!(await this.send(session)).more) return batches
  }
}

function release({ id, token }: RequestRef): Step {
  return { type: 'release', id, token, expired: false }
}

/** Leases and waiters that have nothing to do with what is measured, trees among them. */
async function populate(bench: Bench, size: number): Promise<void> {
  await bench.crowd('holders', size, (index) => bench.ask(`file:p/${index}/x`, { ttlMs: 1e9, chain: `h${index}` }))
  await bench.crowd('waiters', size, (index) =>
    bench.ask(index % 10 === 0 ? `file:p/${index}/**` : `file:p/${index}/x`, { chain: `w${index}` }),
  )
}

/** What the usual steps cost among so many others. */
async function usualCosts(size: number): Promise<Record<string, Cost>> {
  const bench = new Bench()
  await populate(bench, size)
  await bench.settle('holders')
  await bench.settle('waiters')
  await bench.send('a')
  await bench.send('b')
  const costs: Record<string, Cost> = {}
  const asking = bench.ask('file:q/x', { chain: 'c' })
  costs['acquire'] = await bench.cost('a', [asking])
  const id = 2 * size + 1
  const lock = { id, token: asking.token }
  costs['busy'] = await bench.cost('b', [bench.ask('file:q/x', { waitMs: 0 })])
  costs['extend'] = await bench.cost('a', [{ type: 'extend', ...lock, fence: null, ttlMs: 2000, automatic: true }])
  const waiting = bench.ask('file:q/x', { chain: 'd' })
  costs['join'] = await bench.cost('b', [waiting])
  costs['heartbeat'] = await bench.cost('b')
  costs['hand over'] = await bench.cost('a', [release(lock)])
  costs['confirm'] = await bench.cost('b')
  costs['release'] = await bench.cost('b', [release({ id: id + 1, token: waiting.token })])
  costs['tree'] = await bench.cost('a', [bench.ask('file:q/**')])
  costs['inspect'] = await bench.cost('a', [
    { type: 'inspect', resourceId: 'file:q/x', scope: 'node', leases: 10, waiters: 10 },
  ])
  costs['list'] = await bench.cost('a', [{ type: 'list', prefix: 'file:q/', agentId: null, minAgeMs: 0, after: null }])
  return costs
}

describe('a step costs the same whatever else is in the namespace', () => {
  test('at 10, 1 000 and 100 000 leases and waiters that do not overlap', async () => {
    const few = await usualCosts(10)
    expect(await usualCosts(1000)).toEqual(few)
    expect(await usualCosts(50_000)).toEqual(few)
  })

  test('and it is little', async () => {
    const costs = await usualCosts(10)
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
        "release": 15,
        "tree": 15,
      }
    `)
  })
})

describe('the hard cases', () => {
  test('20 000 leaves under a waiting tree are released one by one, each at the same low cost', async () => {
    const bench = new Bench()
    const leaves = await bench.crowd('a', 20_000, (index) => bench.ask(`file:t/${index}`, { ttlMs: 1e9 }))
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
    const costsOf = async (size: number): Promise<readonly Cost[]> => {
      const bench = new Bench()
      const [lock] = await bench.crowd('holder', 1, () => bench.ask('file:x', { ttlMs: 1e9 }))
      const places = await bench.crowd('line', size, () => bench.ask('file:x', { ttlMs: 1e9 }))
      const middle = places[size / 2]
      if (lock === undefined || middle === undefined) throw new Error('the line is empty')
      await bench.send('late')
      return [
        await bench.cost('late', [bench.ask('file:x')]),
        await bench.cost('late', [bench.ask('file:x', { waitMs: 0 })]),
        await bench.cost('line', [{ type: 'cancel', ...middle, explain: null }]),
        await bench.cost('holder', [release(lock)]),
        await bench.cost('line'),
        await bench.cost('line'),
      ]
    }
    const few = await costsOf(100)
    expect(await costsOf(10_000)).toEqual(few)
    for (const { calls } of few) expect(calls).toBeLessThan(60)
  })

  test('a dead third of a line is skipped in bounded steps, and everybody else is served in order', async () => {
    const bench = new Bench()
    let [lock] = await bench.crowd('holder', 1, () => bench.ask('file:x', { ttlMs: 1e9 }))
    const tokens = new Map<number, string>()
    for (let index = 0; index < 300; index += 1) {
      const session = ['one', 'dead', 'two'][index % 3] ?? ''
      for (const { id, token } of await bench.crowd(
        session,
        1,
        () => bench.ask('file:x', { ttlMs: 1e9 }),
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
    const [lock] = await bench.crowd('a', 1, () => bench.ask('file:x', { ttlMs: 1e9 }))
    await bench.crowd('readers', 10_000, () =>
      bench.asking([{ resourceId: 'file:x', mode: 'shared', scope: 'node' }], { ttlMs: 1e9 }),
    )
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
    const locks = await bench.crowd('a', 5000, (index) => bench.ask(`file:t/${index}`, { ttlMs: 1e9 }))
    await bench.crowd('b', 5000, (index) => bench.ask(`file:t/${index}`, { ttlMs: 1e9 }))
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
    await bench.send('a', [bench.ask('file:x', { chain: 'c', ttlMs: 1e9 })])
    await bench.crowd('line', 1000, () => bench.ask(['file:x', 'file:y']))
    const { calls } = await bench.cost('a', [bench.ask('file:y', { chain: 'c' })])
    expect(calls).toBeLessThan(1000 * 4)
  })
})

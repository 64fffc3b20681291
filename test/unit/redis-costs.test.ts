import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseClaims, type ResourceInput } from '../../src/core/resource/resource.ts'
import type { AcquireStep, Answer, RequestRef, Step } from '../../src/core/store.ts'
import type { RedisStore } from '../../src/stores/redis/store.ts'
import { RedisServer } from '../support/redis-server.ts'
import { openRedisTable } from '../support/redis-table.ts'

/** Commands that the tests themselves cause. */
const OUTER = new Set(['fcall', 'info'])

let server: RedisServer

beforeAll(async () => {
  server = await RedisServer.start()
})

/** A namespace on a server of its own, where it is counted which commands a batch executes. */
class Bench {
  readonly #store: RedisStore
  readonly #numbers = new Map<string, number>()
  readonly #acked = new Map<string, number>()
  #tokens = 0

  private constructor(store: RedisStore) {
    this.#store = store
  }

  static async open(): Promise<Bench> {
    const bench = new Bench(await openRedisTable(server, randomUUID()))
    // The table is loaded, the namespace is there, and its sessions are known.
    for (const session of ['a', 'b', 'c']) await bench.send(session)
    return bench
  }

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
    const number = (this.#numbers.get(session) ?? 0) + 1
    this.#numbers.set(session, number)
    const acked = this.#acked.get(session) ?? 0
    const known = { epoch: null, acked, deadMs: 3_600_000, floor: 0, answered: 0, lastId: 0 }
    const answer = await this.#store.apply({ session, number, ...known, steps })
    this.#acked.set(session, answer.messages.at(-1)?.number ?? acked)
    return answer
  }

  /** How many commands these steps execute in a batch of their own. */
  async cost(session: string, steps: readonly Step[] = []): Promise<number> {
    const before = await commands()
    await this.send(session, steps)
    return (await commands()) - before
  }

  /** Takes a resource, or stands in line for it. */
  async take(session: string, step: AcquireStep): Promise<RequestRef> {
    const [outcome] = (await this.send(session, [step])).outcomes ?? []
    if (outcome?.type !== 'granted' && outcome?.type !== 'waiting') throw new Error('nothing was taken')
    return { id: outcome.id, token: step.token }
  }

  /** Sends many requests, five hundred to a batch. */
  async crowd(session: string, count: number, make: (index: number) => AcquireStep): Promise<void> {
    for (let sent = 0; sent < count; sent += 500) {
      const size = Math.min(500, count - sent)
      await this.send(
        session,
        Array.from({ length: size }, (_, index) => make(sent + index)),
      )
    }
    while ((await this.send(session)).messages.length > 0);
  }
}

async function commands(): Promise<number> {
  let sum = 0
  for (const [name, calls] of await server.calls()) if (!OUTER.has(name)) sum += calls
  return sum
}

const release = (ref: RequestRef): Step => ({ type: 'release', expired: false, ...ref })

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

  test(
    'a hand-over and a heartbeat in line take the same with any number of waiters',
    { timeout: 60_000 },
    async () => {
      const costs: number[][] = []
      for (const waiters of [10, 1_000, 10_000]) {
        const bench = await Bench.open()
        const lock = await bench.take('a', bench.ask('file:x'))
        await bench.crowd('b', waiters, () => bench.ask('file:x'))
        costs.push([
          await bench.cost('c', [bench.ask('file:x')]),
          await bench.cost('b'),
          await bench.cost('a', [release(lock)]),
        ])
      }
      expect(costs[0]?.[2]).toBeLessThanOrEqual(24)
      expect(costs[1]).toEqual(costs[0])
      expect(costs[2]).toEqual(costs[0])
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

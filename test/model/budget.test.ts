import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseClaims } from '../../src/core/resource/resource.ts'
import { type Batch, DEFAULT_LIMITS } from '../../src/core/store.ts'
import type { RequestRow } from '../../src/core/table/storage.ts'
import { applyBatch } from '../../src/core/table/table.ts'
import { hashToken } from '../../src/core/table/token-hash.ts'
import { MemoryStorage } from '../../src/stores/memory/storage.ts'
import { histories, type History, Player } from '../../src/testing/index.ts'
import { clashes, NaiveTable } from './naive.ts'
import { regressions } from './regressions.ts'
import { expectSafety, expectSettled, holdsBack, type Rows, rowsOf } from './table-rules.ts'

const RUNS = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 300)

/** A table that may do so little per batch that it nearly always leaves something to the next. */
class TightTable {
  readonly #storage = new MemoryStorage('0'.repeat(32))
  readonly #player = new Player()
  readonly #budget: number
  #now = 1_000_000

  constructor(budget: number) {
    this.#budget = budget
  }

  play(history: History): void {
    for (const move of history) {
      if (move.move === 'advance') this.#now += move.ms
      const batch = move.move === 'batch' ? this.#player.batchOf(move) : undefined
      if (batch !== undefined) this.#apply(batch)
    }
    this.#drain()
  }

  #apply(batch: Batch): boolean {
    const before = rowsOf(this.#storage, this.#now)
    const events = this.#storage.readMeta().lastEvent
    const surroundings = {
      now: this.#now,
      wallNow: this.#now,
      limits: DEFAULT_LIMITS,
      hash: hashToken,
      budget: this.#budget,
    }
    const over = this.#expiredAmong(batch)
    const { answer } = applyBatch(this.#storage, batch, surroundings)
    for (const index of over)
      expect(answer.outcomes?.[index], 'a lease that had expired').toMatchObject({ type: 'gone' })
    this.#player.learn(batch, answer)
    const after = rowsOf(this.#storage, this.#now)
    expectSafety(after)
    expectNobodyOvertaken(before, after)
    const logged = this.#storage.readMeta().lastEvent - events
    const refused = this.#player.actors.length
    expect(logged, 'one batch did too much').toBeLessThanOrEqual(2 * this.#budget + 2 * batch.steps.length + refused)
    return answer.more
  }

  /** The steps that extend a lease whose time is up, but which nobody has come to end yet. */
  #expiredAmong({ steps }: Batch): number[] {
    return [...steps.entries()].flatMap(([index, step]) => {
      const row = step.type === 'extend' ? this.#storage.requests.get(step.id) : undefined
      return row !== undefined && row.lease !== null && row.dueAt !== null && row.dueAt <= this.#now ? [index] : []
    })
  }

  /** Batches that only go on until nothing is left to do; then the rule itself is true. */
  #drain(): void {
    let batches = 1
    for (; this.#apply(this.#player.heartbeat(0)); batches += 1) expect(batches).toBeLessThan(2000)
    const rows = rowsOf(this.#storage, this.#now)
    expectSettled(rows)
    expect(naiveOf(rows).undetected(), 'a deadlock that nobody was told of').toBeUndefined()
  }
}

/** Of those that are held now and were not before, nobody passed an earlier waiter, exceptions of its chain aside. */
function expectNobodyOvertaken(before: Rows, after: Rows): void {
  const held = new Set(before.held.map(({ id }) => id))
  const passedBy = (row: RequestRow, rows: Rows): RequestRow[] =>
    holdsBack(rows, row).filter((other) => other.lease === null && rows.waiting.includes(other))
  for (const row of after.held) {
    if (held.has(row.id)) continue
    expect(row.birth, `${row.id} was granted to a session that had died`).toBe(
      after.storage.sessions.get(row.session)?.birth,
    )
    const earlier = passedBy(row, after).filter(
      ({ id }) => row.chain === null || passedBy(row, before).some((other) => other.id === id),
    )
    expect(
      earlier.map(({ id }) => id),
      `${row.id} passed others`,
    ).toEqual([])
  }
}

function naiveOf(rows: Rows): NaiveTable {
  const naive = new NaiveTable()
  for (const row of [...rows.waiting, ...rows.held]) {
    const { agentId, claims, chain, ttlMs, maxHoldMs } = row
    const step = {
      type: 'acquire' as const,
      token: '',
      agentId,
      claims,
      chain,
      ttlMs,
      maxHoldMs,
      waitMs: null,
      reentrant: false,
      holding: null,
      reason: null,
      metadata: null,
    }
    naive.entries.push({
      id: row.id,
      session: row.session,
      birth: row.birth,
      step,
      queuedAt: row.queuedAt,
      waitUntil: Infinity,
      owners: [],
      state: row.lease === null ? 'waits' : 'holds',
      fence: 0,
      grantedAt: 0,
      expiresAt: 0,
      confirmed: true,
      wanted: false,
    })
  }
  expect(
    rows.held.every((row) =>
      rows.held.every((other) => row.id === other.id || clashes(row.claims, other.claims) === 0),
    ),
  ).toBe(true)
  return naive
}

describe('a table that may do little per batch', () => {
  test('keeps the order, leaves nothing out, and comes to the same rule', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), histories(60), (budget, history) =>
        new TightTable(budget).play(history),
      ),
      {
        numRuns: RUNS,
        ...(process.env['HOLDFAST_MODEL_SEED'] && { seed: Number(process.env['HOLDFAST_MODEL_SEED']) }),
      },
    )
  })

  test('extends no lease whose time is up, although it has not come to ending it', () => {
    const asking = { ttlMs: 10, waitMs: 0, chain: null, reentrant: false, holding: null, maxHoldMs: null }
    const leases = ['r:a', 'r:x', 'r:y', 'r:z'].map((id) => ({
      do: 'acquire' as const,
      claims: parseClaims(id, 'exclusive'),
      ...asking,
    }))
    const extend = { do: 'extend', pick: 0, ttlMs: 1000, automatic: false } as const
    new TightTable(2).play([
      { move: 'batch', actor: 0, acks: true, deeds: leases },
      { move: 'advance', ms: 10 },
      { move: 'batch', actor: 0, acks: true, deeds: [extend] },
    ])
  })

  test.each(regressions)('over the history of a bug: $bug', ({ history }) => {
    for (let budget = 2; budget <= 6; budget += 1) new TightTable(budget).play(history)
  })
})

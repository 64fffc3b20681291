import { describe, test } from 'vitest'
import { DEFAULT_LIMITS, type LockStore } from '../../src/core/store.ts'
import { applyBatch } from '../../src/core/table/table.ts'
import { hashToken } from '../../src/core/table/token-hash.ts'
import { MemoryStorage } from '../../src/stores/memory/storage.ts'
import { compareStores, DrivenClock, type MakeHarness } from '../../src/testing/index.ts'
import { contractStores } from '../contract/stores.ts'
import { drivenPostgres } from '../support/postgres-store.ts'
import { regressions } from './regressions.ts'

const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 60)

/** The reference with another allowance for what a batch does in passing. */
function tightMemory(budget: number): MakeHarness {
  return async () => {
    const storage = new MemoryStorage('0'.repeat(32))
    const clock = new DrivenClock()
    const apply: LockStore['apply'] = async (batch) => {
      const moment = { now: clock.leaseMs(), wallNow: clock.wallMs() }
      return applyBatch(storage, batch, { ...moment, limits: DEFAULT_LIMITS, hash: hashToken, budget }).answer
    }
    const nothing = async (): Promise<{ close(): Promise<void> }> => ({ close: async () => {} })
    const store: LockStore = { name: 'tight', apply, subscribe: nothing, follow: nothing, close: async () => {} }
    return { connect: async () => store, advance: clock.advance }
  }
}

describe('the Postgres store and the memory store agree', () => {
  const histories = regressions.map(({ history }) => history)

  test('over the histories of bugs and random ones, answer by answer', { timeout: 600_000 }, async () => {
    await compareStores(contractStores.memory, contractStores.postgres, { runs, histories })
  })

  test.each([2, 3, 5])('where a batch may do no more than %i in passing', { timeout: 600_000 }, async (budget) => {
    const candidate = drivenPostgres(`holdfast_tight_${budget}`, budget)
    await compareStores(tightMemory(budget), candidate, { runs: Math.ceil(runs / 3), histories })
  })
})

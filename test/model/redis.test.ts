import { describe, test } from 'vitest'
import { DEFAULT_LIMITS, type Listener, type LockStore, type Subscription } from '../../src/core/store.ts'
import { applyBatch } from '../../src/core/table/table.ts'
import { hashToken } from '../../src/core/table/token-hash.ts'
import { MemoryStorage } from '../../src/stores/memory/storage.ts'
import { compareStores, DrivenClock, type MakeHarness } from '../../src/testing/index.ts'
import { contractStores } from '../contract/stores.ts'
import { drivenRedis, drivenTable } from '../support/redis-table.ts'
import { regressions } from './regressions.ts'

const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 60)
const histories = regressions.map(({ history }) => history)

const unheard = async (_session?: string | (() => void), _listener?: Listener): Promise<Subscription> => ({
  close: async () => undefined,
})

/** The reference, where a batch may do so little that it nearly always leaves something to the next. */
function tightMemory(budget: number): MakeHarness {
  return async () => {
    const clock = new DrivenClock()
    const storage = new MemoryStorage('0'.repeat(32))
    const store: LockStore = {
      name: 'tight',
      apply: async (batch) => {
        const moment = { now: clock.leaseMs(), wallNow: clock.wallMs() }
        return applyBatch(storage, batch, { ...moment, limits: DEFAULT_LIMITS, hash: hashToken, budget }).answer
      },
      subscribe: unheard,
      follow: unheard,
      close: async () => undefined,
    }
    return { connect: async () => store, advance: clock.advance }
  }
}

describe('the Redis store and the memory store agree', () => {
  test('over the histories of bugs and random ones, answer by answer', { timeout: 600_000 }, async () => {
    await compareStores(contractStores.memory, contractStores.redis, { runs, histories })
  })

  test.each([2, 3, 6])(
    'where a batch may do no more than %i things in passing',
    { timeout: 600_000 },
    async (budget) => {
      await compareStores(tightMemory(budget), drivenRedis(drivenTable(budget)), { runs, histories })
    },
  )
})

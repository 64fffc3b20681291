import { describe, test } from 'vitest'
import { compareStores } from '../../src/testing/index.ts'
import { contractStores } from '../contract/stores.ts'
import { regressions } from './regressions.ts'

const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 60)

describe('the SQLite store and the memory store agree', () => {
  test('over the histories of bugs and random ones, answer by answer', { timeout: 600_000 }, async () => {
    await compareStores(contractStores.memory, contractStores.sqlite, {
      runs,
      histories: regressions.map(({ history }) => history),
    })
  })
})

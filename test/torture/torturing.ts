import { expect } from 'vitest'
import type { StoreName } from './ground.ts'
import type { Outcome } from './run.ts'
import { torture } from './run.ts'

/** A run that ends when every fault has struck once may take so long on a busy machine. */
export const TORTURE_MS = 300_000

const SEED = 20_240

/** Lets every fault of a store strike once, and expects that nothing was wrong and that the faults did bite. */
export async function expectNoHarm(store: StoreName, faults: Outcome['options']['faults'] = []): Promise<Outcome> {
  const progress: string[] = []
  const controls = { progress: (line: string) => void progress.push(line), signal: new AbortController().signal }
  const options = { store, minutes: null, faults, workers: 6, seed: SEED, report: null, keep: false } as const
  const outcome = await torture(options, controls)
  expect(outcome.problems, `after this:\n${progress.join('\n')}`).toEqual([])
  expect(outcome.judgement.verdict.verdict).toBe('explained')
  expect(outcome.judgement.grants).toBeGreaterThan(30)
  expect(outcome.data.guarded).toMatchObject({ lost: 0 })
  // The same without the guard: each time that a holder stood still past its lease, its late write wiped one out.
  expect(outcome.data.careless.lost).toBeGreaterThan(0)
  expect(outcome.data.guarded.refused).toBeGreaterThan(0)
  return outcome
}

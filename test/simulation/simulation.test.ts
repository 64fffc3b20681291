import { describe, expect, test } from 'vitest'
import { brokenTables } from './broken-tables.ts'
import { playAll } from './crowd.ts'
import { minimise } from './minimise.ts'
import { planOf } from './planning.ts'
import { failureText, historyOf } from './report.ts'
import { simulate } from './simulation.ts'
import type { Table } from './store-node.ts'
import type { Invariant, Violation } from './verdict.ts'

/** They only count, and must not fail because the machine is busy. */
const PATIENT = { timeout: 180_000 }

/** The first seed in which a table breaks one of these rules. */
async function firstFailure(
  table: Table,
  breaks: readonly Invariant[],
): Promise<{ readonly seed: number; readonly violation: Violation } | undefined> {
  for (let seed = 1; seed <= 60; seed += 1) {
    const { violation } = await simulate(planOf(seed), { table })
    if (violation !== undefined && breaks.includes(violation.invariant)) return { seed, violation }
  }
  return undefined
}

describe('many clients on simulated clocks, a simulated network and a simulated store', () => {
  test('keep every rule, whatever goes wrong', PATIENT, async () => {
    const failures: string[] = []
    const { played, acquired } = await playAll({ from: 1, seeds: 300, stopAfter: 3 }, (text) => failures.push(text))
    expect(failures.filter((text) => text.startsWith('seed')).join('\n')).toBe('')
    expect(played).toBe(300)
    expect(acquired).toBeGreaterThan(3_000)
  })

  test('keep them with fifty clients, too', PATIENT, async () => {
    for (const seed of [1, 2]) {
      const { violation } = await simulate(planOf(seed, { clients: 50 }))
      expect(violation, `seed ${seed}`).toBeUndefined()
    }
  })
})

describe('a simulation', () => {
  test('is the same each time it is played', PATIENT, async () => {
    for (const seed of [3, 14, 15]) {
      const [first, second] = [await simulate(planOf(seed)), await simulate(planOf(seed))]
      expect(first.hash, `seed ${seed}`).toBe(second.hash)
    }
    expect((await simulate(planOf(3))).hash).not.toBe((await simulate(planOf(4))).hash)
  })

  test('does not depend on which thread plays it', PATIENT, async () => {
    const quiet = (): void => {}
    const alone = await playAll({ from: 100, seeds: 12, workers: 1, stopAfter: 1 }, quiet)
    const together = await playAll({ from: 100, seeds: 12, workers: 2, stopAfter: 1 }, quiet)
    expect(together.hash).toBe(alone.hash)
  })
})

describe('a broken table', () => {
  test.for(brokenTables)('is found: $what', PATIENT, async ({ table, breaks }) => {
    const failure = await firstFailure(table, breaks)
    expect(breaks).toContain(failure?.violation.invariant)
  })

  test('is shown by a short history that can be played again', PATIENT, async () => {
    const broken = brokenTables.find(({ breaks }) => breaks.includes('fifo'))
    if (broken === undefined) throw new Error('No table breaks the order of the line.')
    const failure = await firstFailure(broken.table, ['fifo'])
    if (failure === undefined) throw new Error('The broken table was not found.')
    const { seed, violation } = failure
    const minimised = await minimise(planOf(seed), 'fifo', { table: broken.table, attempts: 400 })
    expect(minimised.result.violation?.invariant).toBe('fifo')
    // One holds, one waits, one overtakes; perhaps one of them for two.
    expect(minimised.plan.operations.length + minimised.plan.faults.length).toBeLessThanOrEqual(4)
    const text = failureText(seed, violation, minimised)
    expect(text).toContain(`--seed ${seed}`)
    for (const line of historyOf(minimised.plan)) expect(text).toContain(line)
  })
})

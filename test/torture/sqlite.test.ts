import { expect, test } from 'vitest'
import { expectNoHarm, TORTURE_MS } from './torturing.ts'

test(
  'processes on a SQLite file survive every fault',
  async () => {
    const { injections, judgement } = await expectNoHarm('sqlite')
    expect(new Set(injections.map(({ kind }) => kind))).toEqual(new Set(['kill', 'pause', 'busy', 'torn']))
    expect(judgement.inLine).toBeGreaterThan(5)
    expect(judgement.blurred).toBe(0)
  },
  TORTURE_MS,
)

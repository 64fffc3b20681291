import { expect, test } from 'vitest'
import { expectNoHarm, TORTURE_MS } from './torturing.ts'

test(
  'processes on a Postgres survive every fault, and never hold together',
  async () => {
    const { injections, judgement } = await expectNoHarm('postgres')
    const kinds = ['kill', 'pause', 'restart', 'crash', 'disconnect', 'cut', 'partition']
    expect(new Set(injections.map(({ kind }) => kind))).toEqual(new Set(kinds))
    expect(judgement.blurred).toBe(0)
  },
  TORTURE_MS,
)

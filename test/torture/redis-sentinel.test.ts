import { expect, test } from 'vitest'
import { expectNoHarm, TORTURE_MS } from './torturing.ts'

test(
  'processes on a Redis that fails over lose no guarded write',
  async () => {
    const { injections, judgement } = await expectNoHarm('redis-sentinel', ['pause', 'failover', 'partition'])
    expect(injections.filter(({ losesData }) => losesData)).toHaveLength(2)
    expect(judgement.fallingTokens).toEqual([])
  },
  TORTURE_MS,
)

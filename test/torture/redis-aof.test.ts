import { expect, test } from 'vitest'
import { expectNoHarm, TORTURE_MS } from './torturing.ts'

test(
  'processes on a Redis with an append-only file never hold together',
  async () => {
    const faults = ['kill', 'pause', 'restart', 'crash', 'stall', 'disconnect', 'cut'] as const
    const { judgement } = await expectNoHarm('redis-aof', faults)
    // Nothing was lost, so every lease was judged.
    expect(judgement.blurred).toBe(0)
  },
  TORTURE_MS,
)

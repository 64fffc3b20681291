import { expect, test } from 'vitest'
import { expectNoHarm, TORTURE_MS } from './torturing.ts'

test(
  'processes on a Redis that forgets lose no guarded write',
  async () => {
    const { judgement } = await expectNoHarm('redis', ['pause', 'crash', 'flush', 'scripts', 'pushes', 'partition'])
    // The store lost its data twice, and what was granted then is judged by its token.
    expect(judgement.blurred).toBeGreaterThan(0)
    expect(judgement.fallingTokens).toEqual([])
  },
  TORTURE_MS,
)

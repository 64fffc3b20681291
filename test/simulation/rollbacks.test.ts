import { describe, expect, test } from 'vitest'
import type { Operation, Plan } from './plan.ts'
import { simulate } from './simulation.ts'

const PLAIN: Operation = {
  name: 'op',
  atMs: 0,
  client: 0,
  agent: null,
  how: 'acquire',
  resources: [{ resourceId: 'r:a', mode: 'exclusive' }],
  timeoutMs: 30_000,
  waitMs: null,
  holdMs: 100,
  autoExtend: false,
  reentrant: false,
  abortAfterMs: null,
  extendMs: null,
  forgets: false,
  nested: [],
  isSequential: false,
}

/** What somebody holds who was granted it by push, until the store goes back and grants it anew, unheard. */
const GRANTED_TWICE = {
  held: { client: 0, atMs: 100, holdMs: 400 },
  faults: [{ kind: 'forget', atMs: 600, data: 'back', backMs: 200 }],
  interventions: [{ client: 2, atMs: 605, what: 'force', resourceId: 'r:a' }],
} as const

function plan(
  heartbeatMs: number,
  operations: readonly Partial<Operation>[],
  faults: Plan['faults'],
  interventions: Plan['interventions'] = [],
): Plan {
  return {
    seed: 1,
    luck: 0,
    clients: [0, 1, 2].map(() => ({ heartbeatMs, rate: 1, watches: false })),
    operations: operations.map((operation, index) => ({ ...PLAIN, name: `op${index}`, ...operation })),
    interventions,
    faults,
    quietAtMs: 10_000,
    latencyMs: 1,
    budget: null,
    loggedEvents: 10_000,
    asksAlways: true,
  }
}

describe('a store that goes back', () => {
  test('takes a lock from its holder, whose request it then grants again to the same session', async () => {
    const { violation } = await simulate(
      plan(
        2_000,
        [
          { client: 0, atMs: 100, timeoutMs: 500, forgets: true },
          { client: 1, atMs: 200, holdMs: 6_000 },
          // Whose batch makes the store end the first lease, and grant the second, a second time.
          { client: 2, atMs: 800, resources: [{ resourceId: 'r:b', mode: 'exclusive' }] },
        ],
        [{ kind: 'forget', atMs: 700, data: 'back', backMs: 300 }],
      ),
    )
    expect(violation).toBeUndefined()
  })

  test('ends a lock whose extension it has forgotten no later for its holder than for the others', async () => {
    const { violation } = await simulate(
      plan(
        250,
        [
          { client: 0, atMs: 100, timeoutMs: 1_000, holdMs: 600, extendMs: 10_000, waitMs: 0, forgets: true },
          { client: 1, atMs: 700, waitMs: 5_000 },
        ],
        [{ kind: 'forget', atMs: 500, data: 'back', backMs: 300 }],
      ),
    )
    expect(violation).toBeUndefined()
  })

  test('tells a holder that the message which it acknowledges is now another grant of its request', async () => {
    const { held, faults, interventions } = GRANTED_TWICE
    const waits = { client: 1, atMs: 200, holdMs: 6_000 }
    const { violation } = await simulate(plan(1_000, [held, waits], faults, interventions))
    expect(violation).toBeUndefined()
  })

  test('does not mix up two grants of one request of which each has a handle', async () => {
    const { held, faults, interventions } = GRANTED_TWICE
    const inside = { ...PLAIN, name: 'inside', agent: 0, reentrant: true, waitMs: 0 }
    const waits = { client: 1, atMs: 200, holdMs: 600, agent: 0, nested: [inside] }
    const { violation, acquired } = await simulate(plan(2_000, [held, waits], faults, interventions))
    expect([violation, acquired]).toEqual([undefined, 3])
  })
})

import fc from 'fast-check'
import { describe, test } from 'vitest'
import type { Claim } from '../../src/core/model.ts'
import { compareStores, type Deed, type History, type Move } from '../../src/testing/index.ts'
import { contractStores } from '../contract/stores.ts'

const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 60)

const ACTORS = 3

const pick = fc.nat({ max: 5 })

const claim: fc.Arbitrary<Claim> = fc.record({
  resourceId: fc.constantFrom('r:a', 'r:b', 'r:c', 'r:d/e'),
  mode: fc.oneof({ arbitrary: fc.constant('exclusive' as const), weight: 15 }, fc.constant('shared' as const)),
  scope: fc.oneof({ arbitrary: fc.constant('node' as const), weight: 60 }, fc.constant('tree' as const)),
})

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      claims: claim.map((only) => [only]),
      ttlMs: fc.constantFrom(1, 40, 60, 1000, 200_000),
      waitMs: fc.constantFrom(null, 0, 60),
      chain: fc.constantFrom(null, null, 'c', 'd'),
      reentrant: fc.constant(false),
      holding: fc.constant(null),
      maxHoldMs: fc.constant(null),
    }),
    weight: 12,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      pick,
      expired: fc.nat({ max: 9 }).map((one) => one === 0),
    }),
    weight: 9,
  },
  { arbitrary: fc.record({ do: fc.constant('force' as const), claim, pick: fc.constant(null) }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('cancel' as const), pick, explained: fc.constant(false) }), weight: 1 },
)

const actor = fc.nat({ max: ACTORS - 1 })

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    arbitrary: fc.record({
      move: fc.constant('batch' as const),
      actor,
      acks: fc.boolean(),
      deeds: deed.map((only) => [only]),
    }),
    weight: 30,
  },
  {
    arbitrary: fc.record({
      move: fc.constant('batch' as const),
      actor,
      acks: fc.boolean(),
      deeds: fc.constant<readonly Deed[]>([]),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ move: fc.constantFrom('repeat', 'late', 'forgotten', 'misled'), actor }), weight: 3 },
  {
    arbitrary: fc.record({
      move: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 20, 20, 30, 40, 51, 100_000),
    }),
    weight: 8,
  },
)

/** Where most batches are one plain step, as the table's shortest way wants them, and something is often in its way. */
const histories: fc.Arbitrary<History> = fc.array(move, { minLength: 10, maxLength: 60, size: 'max' })

function ask(
  resources: string | readonly string[],
  change: { waitMs?: number | null; chain?: string | null } = {},
): Deed {
  const ids = typeof resources === 'string' ? [resources] : resources
  const claims = ids.map((resourceId): Claim => ({ resourceId, mode: 'exclusive', scope: 'node' }))
  const plain = { chain: null, reentrant: false, holding: null, maxHoldMs: null }
  return { do: 'acquire', claims, ttlMs: 1000, waitMs: null, ...plain, ...change }
}

const release = (picked: number): Deed => ({ do: 'release', pick: picked, expired: false })
const send = (sender: number, step: Deed): Move => ({ move: 'batch', actor: sender, acks: true, deeds: [step] })

/** Joins and releases along two lines, some of the latter too early or by somebody else, and little else. */
const inLine: fc.Arbitrary<Move> = fc.oneof(
  {
    arbitrary: fc
      .tuple(
        actor,
        fc.constantFrom('r:a/b', 'r:a/b', 'r:a/b', 'r:c'),
        fc.record({
          waitMs: fc.constantFrom(null, null, 1000),
          chain: fc.constantFrom(null, null, null, 'c', 'd', 'e', 'f', 'g'),
        }),
      )
      .map(([sender, resourceId, change]) => send(sender, ask(resourceId, change))),
    weight: 40,
  },
  {
    arbitrary: fc.tuple(actor, fc.nat({ max: 3 }), fc.nat({ max: 4 })).map(([sender, picked, acks]): Move => {
      return { move: 'batch', actor: sender, acks: acks > 0, deeds: [release(picked)] }
    }),
    weight: 50,
  },
  { arbitrary: fc.constant({ move: 'advance', ms: 1 } as const), weight: 5 },
  { arbitrary: move, weight: 4 },
)

const lines: fc.Arbitrary<History> = fc.array(inLine, { minLength: 20, maxLength: 80, size: 'max' })

/** Whoever goes on alone meets the death of one who waits elsewhere. */
const deathElsewhere: History = [
  send(2, ask('r:a')),
  send(1, ask('r:a')),
  send(0, ask('r:b')),
  { move: 'advance', ms: 30 },
  send(0, ask('r:c')),
  { move: 'advance', ms: 30 },
  send(0, ask('r:d')),
]

const heartbeat = (sender: number): Move => ({ move: 'batch', actor: sender, acks: true, deeds: [] })

/** Whoever stands behind a request that has passed somebody does not pass him as well. */
const passedOver: History = [
  send(0, ask('r:a', { chain: 'c' })),
  send(2, ask('r:b')),
  send(1, ask(['r:a', 'r:b'])),
  send(0, ask('r:b', { chain: 'c' })),
  send(1, ask('r:b')),
  send(2, release(3)),
  heartbeat(0),
  send(0, release(0)),
  heartbeat(1),
  send(0, release(5)),
  heartbeat(1),
]

/** Whoever has passed somebody, while its chain held what that one waits for, does not stay before him once that has ended. */
const passedNoMore: History = [
  send(0, ask('r:a', { chain: 'c' })),
  send(2, ask('r:b')),
  send(3, ask('r:q')),
  send(3, ask('r:q')),
  send(1, ask(['r:a', 'r:b', 'r:q'])),
  send(0, ask('r:b', { chain: 'c' })),
  send(0, release(5)),
  heartbeat(2),
  heartbeat(2),
  heartbeat(2),
  send(2, release(4)),
]

describe('the Redis store and the memory store agree', () => {
  test('where callers ask one after the other', { timeout: 600_000 }, async () => {
    await compareStores(contractStores.memory, contractStores.redis, {
      runs: 1,
      histories: [deathElsewhere, ...fc.sample(histories, runs)],
    })
  })

  test('where they stand in line', { timeout: 600_000 }, async () => {
    await compareStores(contractStores.memory, contractStores.redis, {
      runs: 1,
      histories: [passedOver, passedNoMore, ...fc.sample(lines, runs)],
    })
  })
})

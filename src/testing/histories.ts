/** Random histories of a namespace: what several sessions send, and how much time passes in between. */
import type { Arbitrary } from 'fast-check'
import type { Claim } from '../core/model.ts'
import { parseClaims } from '../core/resource/resource.ts'
import { fc } from './test-tools.ts'

/** One step of a batch, before it is known what it will be about. */
export type Deed =
  | {
      readonly do: 'acquire'
      readonly claims: readonly Claim[]
      readonly ttlMs: number
      readonly waitMs: number | null
      readonly chain: string | null
      readonly reentrant: boolean
      readonly holding: number | null
      readonly maxHoldMs: number | null
    }
  | { readonly do: 'release'; readonly pick: number; readonly expired: boolean }
  | { readonly do: 'extend'; readonly pick: number; readonly ttlMs: number; readonly automatic: boolean }
  | { readonly do: 'cancel'; readonly pick: number; readonly explained: boolean }
  | { readonly do: 'handBack'; readonly pick: number }
  | { readonly do: 'force'; readonly claim: Claim; readonly pick: number | null }
  | { readonly do: 'inspect'; readonly claim: Claim }
  | { readonly do: 'list' }
  | { readonly do: 'goodbye' }

/** One thing that happens to the namespace. `pick` is a request that somebody has made, counted from the latest. */
export type Move =
  | { readonly move: 'batch'; readonly actor: number; readonly acks: boolean; readonly deeds: readonly Deed[] }
  | { readonly move: 'repeat'; readonly actor: number }
  | { readonly move: 'late'; readonly actor: number }
  /** The store has lost the batch before. */
  | { readonly move: 'forgotten'; readonly actor: number }
  /** The store has posted something else under the number of the last message that the session received. */
  | { readonly move: 'misled'; readonly actor: number }
  | { readonly move: 'advance'; readonly ms: number }

export type History = readonly Move[]

/** How many sessions a history has. */
export const ACTORS = 4

/** When a silent session of a history counts as dead. */
export const DEAD_MS = 50

const RESOURCES = ['r:a', 'r:a/b', 'r:a/b/c', 'r:x', 'r:y', 'r:']

const claim: Arbitrary<Claim> = fc.record({
  resourceId: fc.oneof({ arbitrary: fc.constantFrom(...RESOURCES.slice(0, 5)), weight: 9 }, fc.constant('r:')),
  mode: fc.constantFrom('exclusive', 'shared'),
  scope: fc.oneof({ arbitrary: fc.constant('node' as const), weight: 3 }, fc.constant('tree' as const)),
})

/** Claims in canonical form, as the session hands them over. */
const claims: Arbitrary<readonly Claim[]> = fc
  .array(claim, { minLength: 1, maxLength: 3 })
  .map((several) => parseClaims(several, 'exclusive'))

const pick = fc.nat({ max: 7 })
const duration = fc.constantFrom(1, 10, 20, 49, 50, 51, 100, 400)

/** Once in so many times something, else nothing. */
function sometimes(something: Arbitrary<number>, oneIn: number): Arbitrary<number | null> {
  return fc.oneof({ arbitrary: fc.constant(null), weight: oneIn - 1 }, { arbitrary: something, weight: 1 })
}

const acquire: Arbitrary<Deed> = fc.record({
  do: fc.constant('acquire' as const),
  claims,
  ttlMs: fc.oneof({ arbitrary: fc.constant(1000), weight: 2 }, duration),
  waitMs: fc.oneof(
    { arbitrary: fc.constant(null), weight: 6 },
    { arbitrary: fc.constant(0), weight: 1 },
    { arbitrary: duration, weight: 2 },
  ),
  chain: fc.constantFrom(null, 'c', 'd', 'e'),
  reentrant: fc.boolean(),
  holding: sometimes(pick, 8),
  maxHoldMs: sometimes(duration, 6),
})

const deed: Arbitrary<Deed> = fc.oneof(
  { arbitrary: acquire, weight: 12 },
  { arbitrary: fc.record({ do: fc.constant('release' as const), pick, expired: fc.boolean() }), weight: 6 },
  {
    arbitrary: fc.record({
      do: fc.constant('extend' as const),
      pick,
      ttlMs: fc.constantFrom(0, 1, 60, 500),
      automatic: fc.boolean(),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constant('cancel' as const), pick, explained: fc.boolean() }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('handBack' as const), pick }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('force' as const), claim, pick: sometimes(pick, 2) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('inspect' as const), claim }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('list' as const) }), weight: 1 },
)

const actor = fc.nat({ max: ACTORS - 1 })

const deeds: Arbitrary<readonly Deed[]> = fc.oneof(
  { arbitrary: fc.array(deed, { maxLength: 5 }), weight: 30 },
  { arbitrary: fc.constant([]), weight: 10 },
  { arbitrary: fc.constant([{ do: 'goodbye' as const }]), weight: 1 },
)

const move: Arbitrary<Move> = fc.oneof(
  {
    arbitrary: fc.record({
      move: fc.constant('batch' as const),
      actor,
      acks: fc.oneof({ arbitrary: fc.constant(true), weight: 3 }, fc.constant(false)),
      deeds,
    }),
    weight: 20,
  },
  { arbitrary: fc.record({ move: fc.constant('repeat' as const), actor }), weight: 1 },
  { arbitrary: fc.record({ move: fc.constant('late' as const), actor }), weight: 1 },
  { arbitrary: fc.record({ move: fc.constant('forgotten' as const), actor }), weight: 1 },
  { arbitrary: fc.record({ move: fc.constant('misled' as const), actor }), weight: 1 },
  {
    arbitrary: fc.record({
      move: fc.constant('advance' as const),
      ms: fc.constantFrom(0, 1, 9, 10, 25, 49, 50, 60, 500),
    }),
    weight: 6,
  },
)

/** Histories of up to so many moves. */
export function histories(maxLength: number): Arbitrary<History> {
  return fc.array(move, { minLength: 1, maxLength, size: 'max' })
}

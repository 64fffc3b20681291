import type { Claim } from '../../src/core/model.ts'
import { parseClaims } from '../../src/core/resource/resource.ts'
import type { Deed, History, Move } from '../../src/testing/index.ts'

type Asking = Partial<Extract<Deed, { readonly do: 'acquire' }>>

function ask(claims: readonly Claim[], asking: Asking = {}): Deed {
  const defaults = { ttlMs: 1000, waitMs: null, chain: null, reentrant: false, holding: null, maxHoldMs: null }
  return { do: 'acquire', claims, ...defaults, ...asking }
}

function write(...ids: readonly string[]): Claim[] {
  return parseClaims(ids, 'exclusive')
}

function read(...ids: readonly string[]): Claim[] {
  return parseClaims(ids, 'shared')
}

function batch(actor: number, ...deeds: readonly Deed[]): Move {
  return { move: 'batch', actor, acks: true, deeds }
}

/** Four leases whose time is up. */
const FOUR_LEASES: History = [
  batch(0, ...['r:a', 'r:x', 'r:y', 'r:z'].map((id) => ask(write(id), { ttlMs: 10, waitMs: 0 }))),
  { move: 'advance', ms: 10 },
]

/** Histories that once showed a bug, as small as they could be made. */
export const regressions: readonly { readonly bug: string; readonly history: History }[] = [
  {
    bug: 'a chain that fell back to one open request, without a lease, was not checked',
    history: [
      batch(0, ask(write('r:a', 'r:'), { chain: 'e' })),
      batch(0, ask(write('r:a'), { waitMs: 1, chain: 'd' })),
      batch(0, ask(write('r:a/**'))),
      batch(0, ask(write('r:a/b/c', 'r:y'), { chain: 'd' })),
      batch(0, ask(write('r:y'), { chain: 'e' })),
      { move: 'advance', ms: 49 },
      batch(0),
    ],
  },
  {
    bug: 'a chain whose lease ended while it waited was not checked for those that it could pass until then',
    history: [
      batch(0, ask(write('r:y'), { chain: 'e' }), ask(read('r:x'), { chain: 'e', ttlMs: 10 })),
      batch(1, ask(write('r:y', 'r:a'))),
      batch(2, ask(write('r:x', 'r:a'))),
      batch(3, ask(write('r:a/b/c'))),
      batch(0, ask([...read('r:x'), ...write('r:a/b/c')], { chain: 'e' })),
      { move: 'advance', ms: 10 },
      batch(1),
    ],
  },
  {
    bug: 'a request was not looked at when the one in front of it began to wait for a lease of its chain',
    history: [
      batch(0, ask(write('r:x'))),
      batch(1, ask(write('r:x'), { chain: 'c' })),
      batch(2, ask(write('r:x', 'r:y'))),
      batch(3, ask(write('r:y'), { chain: 'c' })),
      batch(0, { do: 'release', pick: 3, expired: false }),
      batch(3),
    ],
  },
  {
    bug: 'a lease granted past a waiter did not know that it was wanted',
    history: [
      batch(0, ask(read('r:a/**'), { chain: 'c' })),
      batch(1, ask(write('r:a'))),
      batch(0, ask(read('r:a'), { chain: 'c' })),
      batch(1),
    ],
  },
  {
    bug: 'a lease whose time was up, and which a batch with little allowance had not ended, was extended',
    history: [...FOUR_LEASES, batch(0, { do: 'extend', pick: 0, ttlMs: 1000, automatic: false })],
  },
  {
    bug: 'a lease whose time was up, and which a batch with little allowance had not ended, was released in time',
    history: [...FOUR_LEASES, batch(0, { do: 'release', pick: 0, expired: false })],
  },
]

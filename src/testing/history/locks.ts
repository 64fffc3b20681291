import type { LockModel } from './model.ts'
import { conflict, type Operation } from './operation.ts'

/** Who holds the resource: the acquires whose leases stand, in the order in which they were granted. */
export type Holders = readonly Operation[]

interface Rules {
  readonly name: string
  /** Whether a lease can be granted beside these. */
  readonly admits: (holders: Holders, asking: Operation) => boolean
  /** What is left when a lease runs out. */
  readonly withoutExpired: (holders: Holders, lease: string) => Holders
}

/** One holder at a time, and only the holder can release or extend. */
export const mutex: LockModel<Holders> = lockModel({
  name: 'mutex',
  admits: (holders) => holders.length === 0,
  withoutExpired: without,
})

/** As {@link mutex}, but its holder may enter again; the lease ends with its last entry. */
export const reentrantMutex: LockModel<Holders> = lockModel({
  name: 're-entrant mutex',
  admits: (holders, { client, isEntry }) =>
    isEntry === true ? holders.some((holder) => holder.client === client) : holders.length === 0,
  // The entries share one lease.
  withoutExpired: () => [],
})

/**
 * Many readers or one writer. A reader may be refused while readers hold, because a writer may wait for them; nobody
 * may be refused while nobody holds.
 */
export const sharedExclusive: LockModel<Holders> = lockModel({
  name: 'shared/exclusive lock',
  admits: (holders, asking) => !holders.some((holder) => conflict(holder, asking)),
  withoutExpired: without,
})

function lockModel(rules: Rules): LockModel<Holders> {
  return {
    name: rules.name,
    initial: [],
    step: (holders, operation) =>
      operation.kind === 'acquire' ? acquire(rules, holders, operation) : onHeld(rules, holders, operation),
    keyOf: (holders) =>
      holders
        .map(({ lease }) => lease)
        .toSorted()
        .join('\n'),
    describe: (holders) => (holders.length === 0 ? 'free' : `held by ${holders.map(nameOf).join(' and ')}`),
  }
}

function acquire({ admits }: Rules, holders: Holders, asking: Operation): Holders | null {
  // Nobody has a reason to be refused while nobody holds.
  if (asking.outcome === 'refused') return holders.length > 0 ? holders : null
  return admits(holders, asking) ? [...holders, asking] : null
}

/** Release, extension and expiry are about a lease that stands; being refused says that it does not. */
function onHeld({ withoutExpired }: Rules, holders: Holders, operation: Operation): Holders | null {
  const { kind, client, lease, outcome } = operation
  const isHeld = holders.some((holder) => holder.lease === lease && (kind === 'expire' || holder.client === client))
  if (outcome === 'refused') return isHeld ? null : holders
  if (!isHeld) return null
  if (kind === 'extend') return holders
  return kind === 'release' ? without(holders, lease) : withoutExpired(holders, lease)
}

function without(holders: Holders, lease: string): Holders {
  return holders.filter((holder) => holder.lease !== lease)
}

function nameOf({ client, mode, lease, fence }: Operation): string {
  return `${client} (${mode ?? 'exclusive'}, lease ${lease}${fence === undefined ? '' : `, token ${fence}`})`
}

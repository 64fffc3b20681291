import type { Operation } from './operation.ts'

/** How exactly the recorder knows when leases end. */
export interface ExpiryOptions {
  /** How much later than its lease a lease may end: what clocks, rounding and late sweeps add. Default 0. */
  readonly lateMs?: number
  /** A lease may end as early as this after its grant, because its session had died; at most its own length. Default: never. */
  readonly deadMs?: number
}

/**
 * The expiries that belong to a history: one for each lease with a length (`leaseMs`), between the earliest and the
 * latest moment at which it can have run out. Those that cannot matter are left out: of leases that had been released.
 */
export function expiriesOf(operations: readonly Operation[], options: ExpiryOptions = {}): readonly Operation[] {
  const byLease = Map.groupBy(operations, ({ lease }) => lease)
  return [...byLease.values()].flatMap((about) => {
    const acquire = about.find(({ kind }) => kind === 'acquire')
    const expiry = acquire === undefined ? null : expiryOf(acquire, about, options)
    return expiry === null ? [] : [expiry]
  })
}

function expiryOf(acquire: Operation, about: readonly Operation[], options: ExpiryOptions): Operation | null {
  const { leaseMs, outcome } = acquire
  if (leaseMs === undefined || outcome === 'refused') return null
  const calledAt = earliestEnd(acquire, about, options.deadMs ?? Infinity)
  const released = about.find(({ kind, outcome: how }) => kind === 'release' && how === 'done')
  if (released !== undefined && released.returnedAt <= calledAt) return null
  const returnedAt = latestEnd(acquire, about) + (options.lateMs ?? 0)
  const { client, resource, lease } = acquire
  return { kind: 'expire', client, resource, lease, calledAt, returnedAt, outcome: 'done' }
}

/** A lease that was extended lasts from then, too. */
function earliestEnd(acquire: Operation, about: readonly Operation[], deadMs: number): number {
  const extended = about.filter(({ kind, outcome }) => kind === 'extend' && outcome === 'done')
  return Math.max(...[acquire, ...extended].map(({ calledAt, leaseMs }) => calledAt + Math.min(leaseMs ?? 0, deadMs)))
}

/** An extension of unknown outcome may have been done as long as the lease stood. */
function latestEnd(acquire: Operation, about: readonly Operation[]): number {
  const lengthening = about.filter(({ kind, outcome }) => kind === 'extend' && outcome !== 'refused')
  return Math.max(...[acquire, ...lengthening].map(({ returnedAt, leaseMs }) => returnedAt + (leaseMs ?? Infinity)))
}

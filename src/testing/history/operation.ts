import { InvalidRequestError } from '../../core/errors.ts'
import type { Mode } from '../../core/model.ts'

/**
 * One operation of a recorded history, on one resource. A request over several resources is recorded once for each.
 *
 * Times are milliseconds of one clock that all clients share. Two operations are ordered only if one had returned
 * before the other was called; whatever else the clock says proves nothing.
 */
export interface Operation {
  /** `expire` is what the store does by itself to a lease; {@link expiriesOf} adds these. */
  readonly kind: 'acquire' | 'release' | 'extend' | 'expire'
  /** Who asked; for a re-entrant lock the sequential activity that may enter again. */
  readonly client: string
  readonly resource: string
  /** Names the lease, or the wish for one: each `acquire` has its own, the others refer to it. */
  readonly lease: string
  readonly calledAt: number
  /** When it had taken effect, if ever it did. `Infinity`: not known. */
  readonly returnedAt: number
  /**
   * `done`: granted, released, extended, over. `refused`: not granted, or no longer held. `unknown`: nobody learned;
   * it may have taken effect between `calledAt` and `returnedAt`, or never.
   */
  readonly outcome: 'done' | 'refused' | 'unknown'
  /** Of an `acquire`. Default exclusive. */
  readonly mode?: Mode
  /** The fencing token of a grant. */
  readonly fence?: number
  /** It shares a lease that its client holds already, and its token. Default false. */
  readonly isEntry?: boolean
  /** By when an `acquire` stood in line for certain. Default: it never waited, or nobody knows. */
  readonly arrivedBy?: number
  /** How long a lease lasts from an `acquire` or `extend`. Default: until it is released. */
  readonly leaseMs?: number
}

/** Whether two requests on the same resource exclude each other. */
export function conflict(one: Operation, other: Operation): boolean {
  return one.mode !== 'shared' || other.mode !== 'shared'
}

/**
 * Checks what the search relies on.
 *
 * @throws InvalidRequestError for a history that no recorder can have written
 */
export function checkOperations(operations: readonly Operation[]): void {
  const acquired = new Map<string, Operation>()
  for (const operation of operations) {
    const { calledAt, returnedAt, kind, lease } = operation
    if (!Number.isFinite(calledAt) || !(returnedAt >= calledAt)) refuse(operation, 'it returned before it was called')
    if (returnedAt === Infinity && operation.outcome !== 'unknown' && kind !== 'expire') {
      refuse(operation, 'it has an outcome but never returned')
    }
    if (kind !== 'acquire') continue
    if (acquired.has(lease)) refuse(operation, 'another acquire has the same lease')
    acquired.set(lease, operation)
  }
  for (const operation of operations) {
    const { resource, returnedAt } = acquired.get(operation.lease) ?? refuse(operation, 'no acquire has that lease')
    if (resource !== operation.resource) refuse(operation, `its lease is one of ${resource}`)
    if (operation.kind === 'expire' && operation.returnedAt < returnedAt) {
      refuse(operation, 'the lease may be granted after that')
    }
  }
}

function refuse({ kind, client, lease }: Operation, problem: string): never {
  throw new InvalidRequestError(`history: the ${kind} of lease ${lease} by ${client} is not possible: ${problem}.`)
}

import type { LockModel } from './model.ts'
import { conflict, type Operation } from './operation.ts'

/**
 * The lock that is granted in the order of arrival: who stood in line for certain before another asked is granted, or
 * has left the line, before a conflicting other is granted. Where arrivals overlap both orders are right.
 *
 * This is exact for one-at-a-time locks: if no pair is out of order there are moments of arrival that fit the whole.
 */
export function fifo<State>(model: LockModel<State>): LockModel<State> {
  return {
    ...model,
    name: `${model.name} in order of arrival`,
    precedes: (first, second) => (model.precedes?.(first, second) ?? false) || stoodBefore(first, second),
  }
}

function stoodBefore(first: Operation, second: Operation): boolean {
  return (
    first.kind === 'acquire' &&
    second.kind === 'acquire' &&
    // A waiter of whom nothing was heard any more may be dead, and is skipped. Neither a refusal nor entry waits in line.
    first.outcome !== 'unknown' &&
    second.outcome !== 'refused' &&
    second.isEntry !== true &&
    (first.arrivedBy ?? Infinity) < second.calledAt &&
    conflict(first, second)
  )
}

import type { LockModel } from './model.ts'
import type { Operation } from './operation.ts'

/** A lock, and the greatest fencing token that it has given. */
export interface Fenced<State> {
  readonly lock: State
  /** 0 before the first; tokens are positive. */
  readonly highest: number
}

/**
 * The lock of which every grant has a fencing token greater than all before, however its leases have ended. Entering
 * again mints none.
 */
export function fenced<State>(model: LockModel<State>): LockModel<Fenced<State>> {
  const { precedes } = model
  return {
    name: `${model.name} with fencing tokens`,
    initial: { lock: model.initial, highest: 0 },
    step: ({ lock, highest }, operation) => {
      const next = model.step(lock, operation)
      if (next === null) return null
      if (!mints(operation)) return { lock: next, highest }
      // A token that nobody has seen was at least the next whole number.
      const fence = operation.fence ?? highest + 1
      return fence > highest ? { lock: next, highest: fence } : null
    },
    keyOf: ({ lock, highest }) => `${highest} ${model.keyOf(lock)}`,
    describe: ({ lock, highest }) =>
      `${model.describe(lock)}, ${highest === 0 ? 'no token given yet' : `greatest token ${highest}`}`,
    ...(precedes === undefined ? {} : { precedes }),
  }
}

function mints({ kind, outcome, isEntry }: Operation): boolean {
  return kind === 'acquire' && outcome !== 'refused' && isEntry !== true
}

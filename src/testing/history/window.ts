import type { LockModel } from './model.ts'
import type { Operation } from './operation.ts'
import { search } from './search.ts'

/** All operations about one lease, or one that was refused. */
interface Group {
  readonly operations: readonly Operation[]
  readonly isRefusal: boolean
  readonly from: number
  readonly to: number
}

/**
 * The smallest part that was found of a history which still has no explanation, for a person to look at: it ends with
 * the operation at which nothing fitted any more. Whole leases are left out, because a lock that was asked for less
 * has it easier; and with a lease every refusal that it may explain.
 */
export function smallestWindow<State>(
  model: LockModel<State>,
  operations: readonly Operation[],
  failedAt: Operation,
  maxVisited: number,
): readonly Operation[] {
  const isUnexplained = (groups: readonly Group[]): boolean => {
    const some = groups.flatMap((group) => group.operations)
    return search(model, some, maxVisited).outcome === 'unexplained'
  }
  const before = operations.flatMap(asSeenAt(failedAt.returnedAt))
  // Who enters again needs the lease that it enters.
  const hasEntries = before.some(({ isEntry }) => isEntry === true)
  const groups = [...Map.groupBy(before, ({ lease, client }) => (hasEntries ? client : lease)).values()].map(groupOf)
  const left = withoutNeedless(
    groups.toSorted((a, b) => a.to - b.to),
    failedAt,
    isUnexplained,
  )
  return left.flatMap((group) => group.operations).toSorted((a, b) => a.calledAt - b.calledAt)
}

/** What returns later has not returned yet: it may or may not have taken effect. */
function asSeenAt(momentMs: number): (operation: Operation) => readonly Operation[] {
  return (operation) => {
    if (operation.calledAt > momentMs) return []
    return operation.returnedAt <= momentMs ? [operation] : [{ ...operation, returnedAt: Infinity }]
  }
}

function groupOf(operations: readonly Operation[]): Group {
  return {
    operations,
    isRefusal: operations.every(({ kind, outcome }) => kind === 'acquire' && outcome === 'refused'),
    from: Math.min(...operations.map(({ calledAt }) => calledAt)),
    to: endOf(operations),
  }
}

/** A lease may stand until it was released or ran out for certain. */
function endOf(operations: readonly Operation[]): number {
  const ends = operations.filter(({ kind, outcome }) => kind !== 'acquire' && kind !== 'extend' && outcome === 'done')
  const isHeldOpen = ends.length === 0 && operations.some(({ outcome }) => outcome !== 'refused')
  return isHeldOpen ? Infinity : Math.max(...operations.map(({ returnedAt }) => returnedAt))
}

/** Leaves out leases, first many old ones at once, then one by one, as long as no explanation appears. */
function withoutNeedless(
  groups: readonly Group[],
  failedAt: Operation,
  isUnexplained: (groups: readonly Group[]) => boolean,
): readonly Group[] {
  const isNeeded = ({ operations }: Group): boolean => operations.some(({ lease }) => lease === failedAt.lease)
  let left = groups
  for (let count = 2 ** Math.floor(Math.log2(left.length)); count >= 1; count = Math.floor(count / 2)) {
    for (let from = 0; from < left.length;) {
      const fewer = without(left, new Set(left.slice(from, from + count)))
      const isSmaller = fewer.length < left.length && fewer.some(isNeeded)
      if (isSmaller && isUnexplained(fewer)) left = fewer
      else from += count
    }
  }
  return left
}

function without(groups: readonly Group[], removed: ReadonlySet<Group>): readonly Group[] {
  const leases = [...removed].filter(({ isRefusal }) => !isRefusal)
  const from = leases.reduce((least, lease) => Math.min(least, lease.from), Infinity)
  const to = leases.reduce((most, lease) => Math.max(most, lease.to), -Infinity)
  return groups.filter(
    (group) =>
      !removed.has(group) &&
      (!group.isRefusal ||
        group.to < from ||
        group.from > to ||
        !leases.some((lease) => group.from <= lease.to && lease.from <= group.to)),
  )
}

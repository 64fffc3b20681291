import type { LockModel } from './model.ts'
import { checkOperations, type Operation } from './operation.ts'
import { reportOf } from './report.ts'
import { search } from './search.ts'
import { smallestWindow } from './window.ts'

/** How long the checker looks. */
export interface CheckOptions {
  /** Configurations to look at for one resource before it gives up. Default one million. */
  readonly maxVisited?: number
}

/** Whether a history can be explained, and what it took to find out. */
export type Verdict = Explained | Unexplained

/** For every resource there is an order, or (`undecided`) the search gave up before it found or ruled out one. */
export interface Explained {
  readonly verdict: 'explained' | 'undecided'
  readonly visited: number
}

/** What happened cannot have happened if the lock does what its model says. */
export interface Unexplained {
  readonly verdict: 'unexplained'
  readonly visited: number
  readonly resource: string
  /** The first operation at whose return no order is left. */
  readonly failedAt: Operation
  /** The smallest part of the history that was found to have no explanation, in the order of calls. */
  readonly window: readonly Operation[]
  /** All of this in words. */
  readonly report: string
}

/**
 * Decides whether some legal order explains a history of concurrent operations: whether it is linearizable. Operations
 * on different resources do not depend on each other, so each resource is searched by itself, as Horn and Kroening
 * showed ("Faster linearizability checking via P-compositionality", 2015) and the checkers Porcupine and Knossos do.
 *
 * Leases that run out must be in the history: see {@link expiriesOf}.
 *
 * @throws InvalidRequestError for a history that no recorder can have written
 */
export function checkHistory<State>(
  model: LockModel<State>,
  operations: readonly Operation[],
  options: CheckOptions = {},
): Verdict {
  checkOperations(operations)
  const { maxVisited = 1_000_000 } = options
  let visited = 0
  let isDecided = true
  for (const [resource, onResource] of Map.groupBy(operations, (operation) => operation.resource)) {
    const found = search(model, onResource, maxVisited)
    visited += found.visited
    if (found.outcome === 'undecided') isDecided = false
    if (found.failedAt === undefined) continue
    const { failedAt, states = [] } = found
    const window = smallestWindow(model, onResource, failedAt, maxVisited)
    const report = reportOf(model, resource, failedAt, states, window)
    return { verdict: 'unexplained', visited, resource, failedAt, window, report }
  }
  return { verdict: isDecided ? 'explained' : 'undecided', visited }
}

import type { Claim } from '../model.ts'
import { meet } from '../resource/resource.ts'
import type { CycleView } from '../store.ts'
import { endDeadlocked } from './ending.ts'
import {
  holdersAgainst,
  isAwaited,
  leaseAwaitedBy,
  leasesOfChain,
  openRequestsOf,
  placesOf,
  waitersAgainst,
} from './lines.ts'
import { isHeld, type RequestRow } from './storage.ts'
import type { Turn } from './turn.ts'

/** A search looks at no more edges than this. */
const EDGE_LIMIT = 1000

/** Of a chain with fewer leases than this, each is checked for waiters before the search starts. */
const FEW_LEASES = 64

/** A request that is about to wait, or waits already. */
export interface Suspect {
  readonly claims: readonly Claim[]
  readonly chain: string | null
  readonly before: number
  readonly agentId: string
  readonly queuedAt: number
}

/**
 * Whether this request would wait for its own chain, or for itself where it stands in line already: a depth-first
 * search from the request along what it waits for (conflicting live leases and earlier live waiters), and from a lease
 * to the one open request of its chain.
 * A chain with two open requests is not sequential, so neither its requests nor its leases lead anywhere.
 *
 * Gives up after 1 000 edges, which is counted. Waits-for graph after Coffman, Elphick and Shoshani, "System
 * Deadlocks" (1971), for single units of each resource.
 */
export function findCycle(turn: Turn, suspect: Suspect): readonly CycleView[] | undefined {
  const { chain } = suspect
  if (chain === null) return undefined
  const leases = leasesOfChain(turn, chain, FEW_LEASES)
  const others = openRequestsOf(turn, chain).filter((row) => row.id !== suspect.before)
  if (others.length > 0) return undefined
  if (leases.length < FEW_LEASES && !isAnyAwaited(turn, leases, suspect) && !isFollowed(turn, suspect)) return undefined
  const search = new CycleSearch(turn, chain, suspect.before)
  const cycle = search.from(suspect)
  if (cycle === undefined && search.edges > EDGE_LIMIT) turn.changeMeta({ unchecked: turn.meta.unchecked + 1 })
  return cycle
}

/** Whether anybody, the suspect itself included, waits for one of these leases. Else there can be no cycle. */
function isAnyAwaited(turn: Turn, leases: readonly RequestRow[], suspect: Suspect): boolean {
  return leases.some((row) => meet(row.claims, suspect.claims) || isAwaited(turn, row))
}

/** Whether anybody stands in line behind a suspect that waits already, and so may wait for it. */
function isFollowed(turn: Turn, { claims, before }: Suspect): boolean {
  if (before > turn.meta.lastId) return false
  return claims.some((claim) =>
    placesOf(turn, claim).some(
      ([place, resourceId]) =>
        turn.storage.claims.waiting(place, resourceId, claim.mode, before, Infinity, 1).length > 0,
    ),
  )
}

/** Checks the chains that have fallen back to one open request: until now none of their edges counted. */
export function checkNarrowedChains(turn: Turn): void {
  for (const chain of turn.narrowed) {
    turn.narrowed.delete(chain)
    const [open, second] = openRequestsOf(turn, chain)
    if (open === undefined || second !== undefined) continue
    const cycle = findCycle(turn, { ...open, before: open.id })
    if (cycle !== undefined) endDeadlocked(turn, open, cycle)
  }
}

class CycleSearch {
  edges = 0
  readonly #turn: Turn
  readonly #chain: string
  readonly #suspect: number
  readonly #visited = new Set<number>()

  constructor(turn: Turn, chain: string, suspect: number) {
    this.#turn = turn
    this.#chain = chain
    this.#suspect = suspect
  }

  from(waiter: Suspect): CycleView[] | undefined {
    for (const holder of holdersAgainst(this.#turn, waiter.claims)) {
      if (this.#isExhausted()) return undefined
      const rest = this.#throughHolder(holder)
      if (rest !== undefined) return [link(waiter, holder, waiter.queuedAt, 'waits'), ...rest(waiter)]
    }
    for (const earlier of waitersAgainst(this.#turn, waiter.claims, waiter.before)) {
      if (this.#isExhausted()) return undefined
      // The grant rule lets a request pass a waiter that waits for its own chain: that is no edge.
      if (leaseAwaitedBy(this.#turn, earlier, waiter.chain) !== undefined) continue
      const rest = this.#throughWaiter(earlier)
      if (rest !== undefined) return [link(waiter, earlier, waiter.queuedAt, 'waits'), ...rest]
    }
    return undefined
  }

  #isExhausted(): boolean {
    this.edges += 1
    return this.edges > EDGE_LIMIT
  }

  #throughHolder(row: RequestRow): ((waiter: Suspect) => CycleView[]) | undefined {
    if (row.chain === null || row.lease === null || this.#visited.has(row.id)) return undefined
    const since = row.lease.grantedAt
    if (row.chain === this.#chain) return (waiter) => [link(row, waiter, since, 'holds')]
    this.#visited.add(row.id)
    const [open, second] = openRequestsOf(this.#turn, row.chain)
    if (open === undefined || second !== undefined || this.#visited.has(open.id)) return undefined
    this.#visited.add(open.id)
    const rest = this.from({ ...open, before: open.id })
    return rest === undefined ? undefined : (waiter) => [link(row, waiter, since, 'holds'), ...rest]
  }

  #throughWaiter(row: RequestRow): CycleView[] | undefined {
    if (row.id === this.#suspect) return []
    if (isHeld(row) || this.#visited.has(row.id)) return undefined
    this.#visited.add(row.id)
    if (row.chain !== null && openRequestsOf(this.#turn, row.chain).length > 1) return undefined
    return this.from({ ...row, before: row.id })
  }
}

/** Where two requests meet, seen from the first. */
function link(
  from: Pick<Suspect, 'agentId' | 'claims'>,
  to: { readonly claims: readonly Claim[] },
  sinceAt: number,
  state: CycleView['state'],
): CycleView {
  const claim = from.claims.find((mine) => meet([mine], to.claims)) ?? from.claims[0]
  return {
    agentId: from.agentId,
    resourceId: claim?.resourceId ?? '',
    mode: claim?.mode ?? 'exclusive',
    sinceAt,
    state,
  }
}

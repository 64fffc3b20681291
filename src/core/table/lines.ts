import type { Claim } from '../model.ts'
import { ancestorsOf, covers, meet } from '../resource/resource.ts'
import { bury } from './ending.ts'
import { type HeldRow, isHeld, type Place, type RequestRow } from './storage.ts'
import { type Allowance, isAlive, type Turn } from './turn.ts'

/** Counting waiters stops here: the exact length of a longer line helps nobody. */
export const COUNT_LIMIT = 1000

/** How many entries one look reads at a time. */
const PAGE = 64

/** Who asks for room in the line. */
export interface Seeker {
  readonly claims: readonly Claim[]
  readonly chain: string | null
  /** Waiting requests from this id on are behind it. */
  readonly before: number
  /** Set by the look: it met a waiter that waits for its own chain, and now for what it gets as well. */
  passes: boolean
}

/** Whether a request still counts: a lease that has not expired, or a waiter with time left and a live session. */
export function isLive(turn: Turn, row: RequestRow): boolean {
  if (row.dueAt !== null && row.dueAt <= turn.now) return false
  if (row.lease !== null) return true
  const session = turn.session(row.session)
  return session !== undefined && session.birth === row.birth && isAlive(session, turn.now)
}

/** The places at which a conflict with this claim can stand. */
export function placesOf(turn: Turn, claim: Claim): [Place, string][] {
  const places: [Place, string][] = [['at', claim.resourceId]]
  if (turn.hasTreesAround(claim.resourceId)) {
    for (const ancestor of ancestorsOf(claim.resourceId)) places.push(['tree', ancestor])
  }
  if (claim.scope === 'tree') places.push(['under', claim.resourceId])
  return places
}

/**
 * Somebody who holds this request back, or nobody. An earlier waiter is preferred to a lease: then the waiters of one
 * line remember one another in a row, and whoever ends wakes just the next.
 *
 * What is met on the way and no longer counts is ended, as far as the allowance goes; beyond it a dead entry still
 * holds back, which keeps the order and costs a later step.
 */
export function blockerOf(turn: Turn, seeker: Seeker, allowance: Allowance): RequestRow | undefined {
  let held: RequestRow | undefined
  for (const claim of seeker.claims) {
    for (const [place, resourceId] of placesOf(turn, claim)) {
      const { waiter, holder } = blockerAt(turn, place, resourceId, claim, seeker, allowance)
      if (waiter !== undefined) return waiter
      held ??= holder
    }
  }
  return held
}

interface BlockersAt {
  readonly waiter: RequestRow | undefined
  readonly holder: RequestRow | undefined
}

function blockerAt(
  turn: Turn,
  place: Place,
  resourceId: string,
  claim: Claim,
  seeker: Seeker,
  allowance: Allowance,
): BlockersAt {
  let before = seeker.before
  for (;;) {
    const found = turn.storage.claims.inTheWay(place, resourceId, claim.mode, before)
    const waiter = read(turn, found.waiting)
    if (waiter !== undefined) {
      if (!isLive(turn, waiter)) {
        if (!bury(turn, waiter, allowance)) return { waiter, holder: undefined }
        continue
      }
      const own = leaseAwaitedBy(turn, waiter, seeker.chain)
      if (own === undefined) return { waiter, holder: undefined }
      seeker.passes = true
      // Where the lease covers the claim, every waiter at this place waits for the lease too, and none of them counts.
      before = own.claims.some((mine) => covers(mine, claim)) ? 0 : waiter.id
      continue
    }
    const holder = read(turn, found.held)
    if (holder === undefined || isLive(turn, holder) || !bury(turn, holder, allowance)) return { waiter, holder }
  }
}

/**
 * The lease of this chain that a waiter waits for. Such a waiter does not hold the chain's next request back, because
 * it cannot go on before the chain does.
 */
export function leaseAwaitedBy(turn: Turn, waiter: RequestRow, chain: string | null): HeldRow | undefined {
  if (chain === null) return undefined
  const leases = turn.storage.requests.ofChain(chain, 'held', PAGE)
  if (leases.length < PAGE) {
    return leases.filter(isHeld).find((lease) => meet(lease.claims, waiter.claims) && isLive(turn, lease))
  }
  for (const holder of holdersAgainst(turn, waiter.claims)) if (holder.chain === chain) return holder
  return undefined
}

/** The live leases of a chain, or the first of them. */
export function leasesOfChain(turn: Turn, chain: string, limit: number): RequestRow[] {
  return turn.storage.requests.ofChain(chain, 'held', limit).filter((row) => isLive(turn, row))
}

/** The live waiting requests of a chain. */
export function openRequestsOf(turn: Turn, chain: string): RequestRow[] {
  return turn.storage.requests.ofChain(chain, 'waiting', PAGE).filter((row) => isLive(turn, row))
}

/** The live leases that conflict with any of these claims. */
export function* holdersAgainst(turn: Turn, claims: readonly Claim[]): Generator<HeldRow> {
  for (const claim of claims) {
    for (const [place, resourceId] of placesOf(turn, claim)) yield* heldAt(turn, place, resourceId, claim.mode)
  }
}

/** The live leases at a place that conflict with a claim of this mode. */
export function* heldAt(turn: Turn, place: Place, resourceId: string, mode: Claim['mode']): Generator<HeldRow> {
  for (let after = 0; ;) {
    const limit = place === 'under' ? COUNT_LIMIT : PAGE
    const ids = turn.storage.claims.held(place, resourceId, mode, after, limit)
    for (const id of ids) {
      const row = read(turn, id)
      if (row !== undefined && isHeld(row) && isLive(turn, row)) yield row
    }
    const last = ids.at(-1)
    if (last === undefined || ids.length < limit || place === 'under') return
    after = last
  }
}

/** The live waiting requests before `before` that conflict with any of these claims. */
export function* waitersAgainst(turn: Turn, claims: readonly Claim[], before: number): Generator<RequestRow> {
  for (const claim of claims) {
    for (const [place, resourceId] of placesOf(turn, claim)) {
      for (let after = 0; ;) {
        const ids = turn.storage.claims.waiting(place, resourceId, claim.mode, after, before, PAGE)
        for (const id of ids) {
          const row = read(turn, id)
          if (row !== undefined && isLive(turn, row)) yield row
        }
        const last = ids.at(-1)
        if (last === undefined || ids.length < PAGE) break
        after = last
      }
    }
  }
}

/** How many waiting claims before `before` conflict with this one, counted up to `limit`. */
export function countWaiters(turn: Turn, claim: Claim, before: number, limit: number = COUNT_LIMIT): number {
  let count = 0
  for (const [place, resourceId] of placesOf(turn, claim)) {
    if (count >= limit) break
    count += turn.storage.claims.countWaiting(place, resourceId, claim.mode, before, limit - count)
  }
  return count
}

/** Whether anybody waits for a claim of this lease. */
export function isAwaited(turn: Turn, row: RequestRow): boolean {
  return row.claims.some((claim) =>
    placesOf(turn, claim).some(
      ([place, resourceId]) =>
        turn.storage.claims.inTheWay(place, resourceId, claim.mode, Infinity).waiting !== undefined,
    ),
  )
}

function read(turn: Turn, id: number | undefined): RequestRow | undefined {
  return id === undefined ? undefined : turn.storage.requests.get(id)
}

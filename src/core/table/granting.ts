import { conflicts, meet } from '../resource/resource.ts'
import type { GrantView, PreviousView } from '../store.ts'
import { stopWaiting, bury, subjectOf } from './ending.ts'
import { blockerOf, COUNT_LIMIT, countWaiters, holdersAgainst, isLive } from './lines.ts'
import { type HeldRow, isHeld, type LeaseState, type RequestRow } from './storage.ts'
import type { Turn } from './turn.ts'

/** A waiter tells no more holders than this that somebody waits for them. */
const TOLD_HOLDERS = 64

/** Gives a new request its lease at once. Its client knows when it asked, so the lease is full from the start. */
export function grantNew(turn: Turn, row: RequestRow, isAwaited: boolean): GrantView {
  const dueAt = turn.now + row.ttlMs
  const held = { ...row, dueAt, lease: newLease(turn, row, true, isAwaited) }
  turn.insert(held)
  keep(turn, held)
  return describeGrant(turn, held, 0, isAwaited ? countAll(turn, held) : 0)
}

/**
 * Gives a waiting request its lease and tells its session. Until the session confirms, the lease also ends when the
 * session would be dead: so a grant to a process that has just died costs the dead time once, never a whole lease.
 */
function grantWaiting(turn: Turn, row: RequestRow): void {
  const session = turn.session(row.session)
  const deadAt = session === undefined ? turn.now : session.seenAt + session.deadMs
  const waiters = countAll(turn, row) - pairsBetween(row, row)
  const held = {
    ...row,
    blocker: null,
    dueAt: Math.min(turn.now + row.ttlMs, deadAt),
    lease: newLease(turn, row, false, waiters > 0),
  }
  turn.storage.requests.update(held)
  stopWaiting(turn, row)
  keep(turn, held)
  lookAgainAtChain(turn, held)
  turn.post(row.session, { type: 'granted', ...describeGrant(turn, held, turn.now - row.queuedAt, waiters) })
}

/**
 * Whoever is in line for this lease no longer holds back the later requests of the lease's chain, and they remember
 * none but him: they are looked at again, each under a number of its own that nobody else waits behind.
 */
function lookAgainAtChain(turn: Turn, { chain, claims, id }: HeldRow): void {
  if (chain === null) return
  for (const row of turn.storage.requests.ofChain(chain, 'waiting', COUNT_LIMIT)) {
    if (row.id < id || row.blocker === null) continue
    const blocker = turn.storage.requests.get(row.blocker)
    if (blocker === undefined || blocker.lease !== null || !meet(blocker.claims, claims)) continue
    turn.storage.requests.update({ ...row, blocker: -row.id })
    turn.ended.push(-row.id)
  }
}

/**
 * The session knows of its lease: from now on it lasts as long as was asked for, also where somebody who shares it has
 * extended it before.
 */
export function confirm(turn: Turn, id: number): void {
  const row = turn.storage.requests.get(id)
  if (row === undefined || row.lease === null || !isLive(turn, row)) return
  const held = { ...row, lease: { ...row.lease, confirmed: true } }
  const dueAt = laterExpiry(turn, held, row.ttlMs)
  turn.storage.requests.update({ ...held, dueAt })
  keep(turn, { ...held, dueAt })
}

/** Where an extension moves the expiry: never earlier than it stands, never beyond the longest hold. */
export function laterExpiry(turn: Turn, row: RequestRow & { readonly lease: LeaseState }, ttlMs: number): number {
  const cap = row.maxHoldMs === null ? Infinity : row.lease.grantedAt + row.maxHoldMs
  return Math.max(row.dueAt ?? 0, Math.min(turn.now + ttlMs, cap))
}

/** Remembers the session for at least as long as the lease can last. */
export function keep(turn: Turn, row: RequestRow): void {
  const session = turn.session(row.session)
  const dueAt = row.dueAt ?? 0
  if (session !== undefined && session.keepUntil < dueAt) turn.putSession({ ...session, keepUntil: dueAt })
}

/** Tells those who hold what these claims ask for that somebody starts to wait: each whenever nobody did before. */
export function tellHolders(turn: Turn, waiter: RequestRow): void {
  const seen = new Set<number>()
  for (const holder of holdersAgainst(turn, waiter.claims)) {
    if (seen.size >= TOLD_HOLDERS) return
    if (seen.has(holder.id)) continue
    seen.add(holder.id)
    if (!holder.lease.wanted || isOnlyWaiter(turn, waiter, holder)) tellWanted(turn, holder)
  }
}

function isOnlyWaiter(turn: Turn, waiter: RequestRow, holder: HeldRow): boolean {
  const own = pairsBetween(waiter, holder)
  return countAll(turn, holder, own + 1) === own
}

function tellWanted(turn: Turn, row: HeldRow): void {
  const wanted = { ...row, lease: { ...row.lease, wanted: true } }
  turn.storage.requests.update(wanted)
  const waiters = countAll(turn, wanted)
  for (const session of new Set(row.lease.owners.map((owner) => owner.session))) {
    turn.post(session, { type: 'wanted', id: row.id, waiters })
  }
}

/**
 * Looks at those who waited for what has ended, in the order in which it ended, and grants what has become grantable.
 * What goes beyond the batch's allowance is noted down for the next batch.
 */
export function settle(turn: Turn): void {
  for (let next = turn.ended[0]; next !== undefined; next = turn.ended[0]) {
    if (!settleOne(turn, next)) return
    turn.ended.shift()
  }
}

/** Looks at those who waited for one that has ended; says whether the allowance was enough for all of them. */
export function settleOne(turn: Turn, ended: number): boolean {
  const limit = turn.passing.left
  if (limit <= 0) return false
  const waiters = turn.storage.requests.behind(ended, limit)
  for (const waiter of waiters) {
    if (turn.passing.left <= 0) return false
    look(turn, waiter)
  }
  return waiters.length < limit
}

function look(turn: Turn, waiter: RequestRow): void {
  if (!isLive(turn, waiter)) {
    bury(turn, waiter, turn.passing)
    return
  }
  turn.passing.left -= 1
  const seeker = { claims: waiter.claims, chain: waiter.chain, before: waiter.id, passes: false }
  const blocker = blockerOf(turn, seeker, turn.passing)
  if (blocker === undefined) grantWaiting(turn, waiter)
  else {
    turn.storage.requests.update({ ...waiter, blocker: blocker.id })
    if (isHeld(blocker) && !blocker.lease.wanted) tellWanted(turn, blocker)
  }
}

function newLease(turn: Turn, row: RequestRow, confirmed: boolean, wanted: boolean): LeaseState {
  return {
    owners: [{ hash: row.tokenHash, session: row.session }],
    fence: turn.takeFence(),
    grantedAt: turn.now,
    wallLockedAt: turn.wallNow,
    confirmed,
    wanted,
  }
}

function describeGrant(turn: Turn, row: HeldRow, waitedMs: number, waiters: number): GrantView {
  const cursor = turn.log({ ...subjectOf(row), type: 'resource.locked', fence: row.lease.fence, waitedMs })
  return { ...grantView(turn, row), waiters, waitedMs, cursor }
}

/** A lease as it is told to one who comes to share it: that is no event, and nobody waited for it. */
export function grantView(turn: Turn, row: HeldRow): GrantView {
  const { fence, wallLockedAt } = row.lease
  const previous = previousOf(turn, row)
  return { id: row.id, fence, wallLockedAt, expiresAt: row.dueAt, previous, waiters: 0, waitedMs: 0, cursor: null }
}

/** Who held the resources of a request last, as far as that is still known. */
export function previousOf(turn: Turn, row: Pick<RequestRow, 'claims'>): PreviousView[] {
  if (turn.limits.previous === 0) return []
  const oldest = turn.wallNow - turn.limits.previousMs
  const found = new Map<string, PreviousView>()
  for (const { resourceId } of row.claims) {
    if (found.has(resourceId)) continue
    const view = turn.storage.previous.get(resourceId)
    if (view !== undefined && view.wallUntil > oldest) found.set(resourceId, view)
  }
  return [...found.values()]
}

/** How often a waiting request is counted among those that wait for these claims, its own included. */
function pairsBetween(one: Pick<RequestRow, 'claims'>, other: Pick<RequestRow, 'claims'>): number {
  let pairs = 0
  for (const mine of one.claims) for (const theirs of other.claims) if (conflicts(mine, theirs)) pairs += 1
  return pairs
}

/** How many claims wait for these, whoever was first. */
function countAll(turn: Turn, row: Pick<RequestRow, 'claims'>, limit: number = COUNT_LIMIT): number {
  let count = 0
  for (const claim of row.claims) count += countWaiters(turn, claim, Infinity, limit - count)
  return count
}

import type { GrantView, PreviousView } from '../store.ts'
import { stopWaiting, bury, subjectOf } from './ending.ts'
import { blockerOf, COUNT_LIMIT, countWaiters, holdersAgainst, isLive } from './lines.ts'
import type { HeldRow, LeaseState, RequestRow } from './storage.ts'
import type { Turn } from './turn.ts'

/** A waiter tells no more holders than this that somebody waits for them. */
const TOLD_HOLDERS = 64

/** Gives a new request its lease at once. Its client knows when it asked, so the lease is full from the start. */
export function grantNew(turn: Turn, row: RequestRow): GrantView {
  const dueAt = turn.now + row.ttlMs
  const held = { ...row, dueAt, lease: newLease(turn, row, true, false) }
  turn.insert(held)
  keep(turn, held)
  return describeGrant(turn, held, 0, 0)
}

/**
 * Gives a waiting request its lease and tells its session. Until the session confirms, the lease also ends when the
 * session would be dead: so a grant to a process that has just died costs the dead time once, never a whole lease.
 */
export function grantWaiting(turn: Turn, row: RequestRow): void {
  const session = turn.session(row.session)
  const deadAt = session === undefined ? turn.now : session.seenAt + session.deadMs
  const wanted = turn.storage.requests.behind(row.id, 1).length > 0
  const held = {
    ...row,
    blocker: null,
    dueAt: Math.min(turn.now + row.ttlMs, deadAt),
    lease: newLease(turn, row, false, wanted),
  }
  turn.storage.requests.update(held)
  stopWaiting(turn, row)
  keep(turn, held)
  const waiters = wanted ? countAll(turn, held) : 0
  turn.post(row.session, { type: 'granted', ...describeGrant(turn, held, turn.now - row.queuedAt, waiters) })
}

/** The session knows of its lease: from now on it lasts as long as was asked for. */
export function confirm(turn: Turn, id: number): void {
  const row = turn.storage.requests.get(id)
  if (row === undefined || row.lease === null || row.lease.confirmed || !isLive(turn, row)) return
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

/** Tells those who hold what these claims ask for that somebody waits. Each is told once. */
export function tellHolders(turn: Turn, waiter: RequestRow): void {
  let told = 0
  for (const holder of holdersAgainst(turn, waiter.claims)) {
    tellWanted(turn, holder)
    told += 1
    if (told >= TOLD_HOLDERS) return
  }
}

function tellWanted(turn: Turn, row: HeldRow): void {
  if (row.lease.wanted) return
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
  for (let next = turn.ended[0]; next !== undefined && turn.passing.left > 0; next = turn.ended[0]) {
    const limit = turn.passing.left
    const waiters = turn.storage.requests.behind(next, limit)
    for (const waiter of waiters) {
      if (turn.passing.left <= 0) return
      look(turn, waiter)
    }
    if (waiters.length < limit) turn.ended.shift()
  }
}

function look(turn: Turn, waiter: RequestRow): void {
  if (!isLive(turn, waiter)) {
    bury(turn, waiter, turn.passing)
    return
  }
  turn.passing.left -= 1
  const seeker = { claims: waiter.claims, chain: waiter.chain, before: waiter.id }
  const blocker = blockerOf(turn, seeker, turn.passing)
  if (blocker === undefined) grantWaiting(turn, waiter)
  else {
    turn.storage.requests.update({ ...waiter, blocker: blocker.id })
    if (blocker.lease !== null && blocker.dueAt !== null) {
      tellWanted(turn, { ...blocker, lease: blocker.lease, dueAt: blocker.dueAt })
    }
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
  return {
    id: row.id,
    fence: row.lease.fence,
    wallLockedAt: row.lease.wallLockedAt,
    expiresAt: row.dueAt,
    previous: previousOf(turn, row),
    waiters,
    waitedMs,
    cursor: turn.log({ ...subjectOf(row), type: 'resource.locked', fence: row.lease.fence, waitedMs }),
  }
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

function countAll(turn: Turn, row: RequestRow): number {
  let count = 0
  for (const claim of row.claims) count += countWaiters(turn, claim, Infinity)
  return Math.min(count, COUNT_LIMIT)
}

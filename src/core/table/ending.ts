import type { CycleView } from '../store.ts'
import { type HeldRow, isHeld, type RequestRow } from './storage.ts'
import type { Allowance, Turn } from './turn.ts'

/** How a lease ends. */
export type LeaseEnd =
  | { readonly how: 'released' | 'expired' }
  | { readonly how: 'forced'; readonly by: string; readonly reason: string }

/** Ends a lease: its resources are free, its end is logged, whoever lost it is told. Returns the event's cursor. */
export function endLease(turn: Turn, row: HeldRow, end: LeaseEnd): string | null {
  leave(turn, row)
  // Whoever waits for this lease did not hold back its chain's open request, and may do so from now on.
  if (row.chain !== null && row.lease.wanted) turn.narrowed.add(row.chain)
  remember(turn, row)
  const heldMs = Math.max(0, Math.min(turn.now, row.dueAt) - row.lease.grantedAt)
  const cursor = turn.log({
    ...subjectOf(row),
    type: end.how === 'expired' ? 'resource.expired' : 'resource.unlocked',
    fence: row.lease.fence,
    heldMs,
    forced: end.how === 'forced' ? { by: end.by, reason: end.reason } : null,
  })
  if (end.how !== 'released') {
    const loss = end.how === 'forced' ? { kind: end.how, by: end.by, reason: end.reason } : { kind: end.how }
    for (const session of new Set(row.lease.owners.map((owner) => owner.session))) {
      turn.post(session, { type: 'lost', id: row.id, loss, heldMs, cursor })
    }
  }
  return cursor
}

/** Takes a waiting request out of the line. Returns the event's cursor. */
export function endWait(turn: Turn, row: RequestRow): string | null {
  leaveLine(turn, row)
  return turn.log({ ...subjectOf(row), type: 'resource.abandoned', waitedMs: turn.now - row.queuedAt })
}

/** Takes a request that turned out to wait for itself out of the line, and tells it. */
export function endDeadlocked(turn: Turn, row: RequestRow, cycle: readonly CycleView[]): void {
  leaveLine(turn, row)
  const cursor = turn.log({ ...subjectOf(row), type: 'resource.deadlock', waitedMs: turn.now - row.queuedAt })
  turn.post(row.session, { type: 'deadlock', id: row.id, cycle, cursor })
}

/** Ends a request that no longer counts, if the allowance still has room; says whether it did. */
export function bury(turn: Turn, row: RequestRow, allowance: Allowance): boolean {
  if (allowance.left <= 0) return false
  allowance.left -= 1
  if (isHeld(row)) endLease(turn, row, { how: 'expired' })
  else endWait(turn, row)
  return true
}

/** One request less waits for this session. */
export function stopWaiting(turn: Turn, row: RequestRow): void {
  const session = turn.session(row.session)
  if (session !== undefined) turn.putSession({ ...session, waiting: session.waiting - 1 })
  if (row.chain !== null) turn.narrowed.add(row.chain)
}

/** What an event says of the request it is about. */
export function subjectOf(row: Pick<RequestRow, 'agentId' | 'claims' | 'reason' | 'metadata'>): {
  agentId: string
  claims: RequestRow['claims']
  reason: string | null
  metadata: string | null
  fence: null
  heldMs: null
  waitedMs: null
  forced: null
} {
  const { agentId, claims, reason, metadata } = row
  return { agentId, claims, reason, metadata, fence: null, heldMs: null, waitedMs: null, forced: null }
}

function leaveLine(turn: Turn, row: RequestRow): void {
  leave(turn, row)
  stopWaiting(turn, row)
}

function leave(turn: Turn, row: RequestRow): void {
  turn.storage.requests.delete(row)
  turn.ended.push(row.id)
}

function remember(turn: Turn, row: HeldRow): void {
  if (turn.limits.previous === 0) return
  const until = Math.min(turn.now, row.dueAt)
  for (const { resourceId } of row.claims) {
    turn.storage.previous.put(
      {
        resourceId,
        agentId: row.agentId,
        wallUntil: turn.wallNow - (turn.now - until),
        fence: row.lease.fence,
        reason: row.reason,
      },
      turn.limits.previous,
    )
  }
}

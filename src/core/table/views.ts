import type { Claim } from '../model.ts'
import { conflicts } from '../resource/resource.ts'
import type { BusyView, LeaseView, WaiterView } from '../store.ts'
import { countWaiters, holdersAgainst } from './lines.ts'
import type { HeldRow, RequestRow } from './storage.ts'
import type { Turn } from './turn.ts'

/** An explanation names no more holders than this. */
const NAMED_HOLDERS = 16

/** What anybody may know of one claim of a lease. */
export function viewOf(turn: Turn, row: HeldRow, claim: Claim): LeaseView {
  return {
    claim,
    claims: row.claims,
    agentId: row.agentId,
    reason: row.reason,
    metadata: row.metadata,
    wallLockedAt: row.lease.wallLockedAt,
    expiresAt: row.dueAt,
    fence: row.lease.fence,
    waiters: countWaiters(turn, claim, Infinity),
  }
}

export function waiterView(row: RequestRow): WaiterView {
  const { claims, agentId, reason, queuedAt } = row
  return { claims, agentId, reason, queuedAt }
}

/** Why these claims are not to be had now: who holds what they need, and how many wait in front. */
export function busyView(turn: Turn, claims: readonly Claim[], before: number): BusyView {
  const holders = new Map<number, LeaseView>()
  for (const row of holdersAgainst(turn, claims)) {
    if (holders.size >= NAMED_HOLDERS) break
    const claim = row.claims.find((theirs) => claims.some((mine) => conflicts(mine, theirs)))
    if (claim !== undefined && !holders.has(row.id)) holders.set(row.id, viewOf(turn, row, claim))
  }
  let ahead = 0
  for (const claim of claims) ahead = Math.max(ahead, countWaiters(turn, claim, before))
  return { type: 'busy', holders: [...holders.values()], ahead }
}

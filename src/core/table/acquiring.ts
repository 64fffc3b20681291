import type { Claim } from '../model.ts'
import { covers } from '../resource/resource.ts'
import type { AcquireOutcome, AcquireStep, GrantView } from '../store.ts'
import { findCycle } from './deadlock.ts'
import { subjectOf } from './ending.ts'
import { grantNew, grantView, keep, tellHolders } from './granting.ts'
import { ownLease } from './holding.ts'
import { blockerOf, isLive } from './lines.ts'
import { coveringLeases } from './reading.ts'
import type { HeldRow, RequestRow, SessionRow } from './storage.ts'
import type { Turn } from './turn.ts'
import { busyView } from './views.ts'

/** Grants a request, puts it in line, or says why neither. */
export function acquire(turn: Turn, step: AcquireStep, session: SessionRow): AcquireOutcome {
  const shared = enter(turn, step, session)
  if (shared !== undefined) return { type: 'entered', ...shared }
  const before = turn.meta.lastId + 1
  const { claims, chain } = step
  const seeker = { claims, chain, before, passes: false }
  const blocker = blockerOf(turn, seeker, turn.touched)
  if (blocker === undefined)
    return { type: 'granted', ...grantNew(turn, newRow(turn, step, session, null), seeker.passes) }
  if (step.waitMs === 0) {
    return isLive(turn, blocker) ? busyView(turn, claims, before) : { type: 'again' }
  }
  const cycle = findCycle(turn, { claims, chain, before, agentId: step.agentId, queuedAt: turn.now })
  if (cycle !== undefined) {
    const cursor = turn.log({ ...subjectOf(step), type: 'resource.deadlock' })
    return { type: 'deadlock', cycle, cursor }
  }
  return joinLine(turn, step, newRow(turn, step, session, blocker.id))
}

function joinLine(turn: Turn, step: AcquireStep, row: RequestRow): AcquireOutcome {
  turn.insert(row)
  const session = turn.session(row.session)
  if (session !== undefined) turn.putSession({ ...session, waiting: session.waiting + 1 })
  tellHolders(turn, row)
  return { type: 'waiting', id: row.id, cursor: turn.log({ ...subjectOf(step), type: 'resource.waiting' }) }
}

function newRow(turn: Turn, step: AcquireStep, session: SessionRow, blocker: number | null): RequestRow {
  return {
    id: turn.takeId(),
    session: session.id,
    birth: session.birth,
    agentId: step.agentId,
    chain: step.chain,
    claims: step.claims,
    ttlMs: Math.min(step.ttlMs, step.maxHoldMs ?? Infinity),
    maxHoldMs: step.maxHoldMs,
    reason: step.reason,
    metadata: step.metadata,
    tokenHash: turn.hash(step.token),
    queuedAt: turn.now,
    dueAt: step.waitMs === null ? null : turn.now + step.waitMs,
    blocker,
    lease: null,
  }
}

/**
 * Re-entry: shares a live lease that covers every claim, of the same chain or one that the caller proves to hold.
 * It mints nothing; the lease ends when its last owner lets go of it.
 */
function enter(turn: Turn, step: AcquireStep, session: SessionRow): GrantView | undefined {
  const row = enterable(turn, step)
  if (row === undefined) return undefined
  const owner = { hash: turn.hash(step.token), session: session.id }
  const shared = { ...row, lease: { ...row.lease, owners: [...row.lease.owners, owner] } }
  turn.storage.requests.update(shared)
  keep(turn, { ...shared, session: session.id })
  return grantView(turn, row)
}

function enterable(turn: Turn, step: AcquireStep): HeldRow | undefined {
  const given = step.holding === null ? undefined : ownLease(turn, step.holding)
  if (given !== undefined && coversAll(given, step.claims)) return given
  const [first] = step.claims
  if (!step.reentrant || step.chain === null || first === undefined) return undefined
  for (const { row } of coveringLeases(turn, first)) {
    if (row.chain === step.chain && coversAll(row, step.claims)) return row
  }
  return undefined
}

function coversAll(row: HeldRow, claims: readonly Claim[]): boolean {
  return claims.every((claim) => row.claims.some((mine) => covers(mine, claim)))
}

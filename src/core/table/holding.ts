import type {
  CancelOutcome,
  CancelStep,
  DoneOutcome,
  ExtendOutcome,
  ExtendStep,
  ForceOutcome,
  ForceStep,
  HandBackStep,
  LeaseView,
  ReleaseOutcome,
  ReleaseStep,
  RequestRef,
} from '../store.ts'
import { bury, endLease, endWait, subjectOf } from './ending.ts'
import { keep, laterExpiry } from './granting.ts'
import { isLive } from './lines.ts'
import { coveringLeases } from './reading.ts'
import { type HeldRow, isHeld, type Owner, type RequestRow, type SessionRow } from './storage.ts'
import type { Turn } from './turn.ts'
import { busyView, viewOf } from './views.ts'

const NOT_RELEASED: ReleaseOutcome = { type: 'released', released: false, shared: false, heldMs: 0, cursor: null }

const NO_ANSWER = { holders: [], ahead: 0 } as const

/** Moves the expiry of one's own live lease. */
export function extend(turn: Turn, step: ExtendStep): ExtendOutcome {
  const row = ownLease(turn, step)
  if (row === undefined || (step.fence !== null && step.fence !== row.lease.fence)) return { type: 'gone' }
  if (step.ttlMs === 0) return { type: 'extended', expiresAt: row.dueAt, cursor: null }
  // The first extension also confirms the lease, and confirming starts the full lease.
  const dueAt = laterExpiry(turn, row, row.lease.confirmed ? step.ttlMs : Math.max(step.ttlMs, row.ttlMs))
  const extended = { ...row, dueAt, lease: { ...row.lease, confirmed: true } }
  turn.storage.requests.update(extended)
  keep(turn, extended)
  const cursor = step.automatic
    ? null
    : turn.log({ ...subjectOf(row), type: 'resource.extended', fence: row.lease.fence })
  return { type: 'extended', expiresAt: dueAt, cursor }
}

/** Lets go of one's own lease; the lease itself ends with its last owner. */
export function release(turn: Turn, step: ReleaseStep): ReleaseOutcome {
  const row = ownLease(turn, step)
  return row === undefined ? NOT_RELEASED : letGo(turn, row, ownedBy(turn, step), step.expired ? 'expired' : 'released')
}

/** Leaves the line. A grant that crossed the step is ended with it. */
export function cancel(turn: Turn, step: CancelStep): CancelOutcome {
  const known = turn.storage.requests.get(step.id)
  const row = known?.tokenHash === turn.hash(step.token) ? known : undefined
  const { holders, ahead } = step.explain === null ? NO_ANSWER : busyView(turn, step.explain, step.id)
  const others = holders.filter(({ fence }) => fence !== row?.lease?.fence)
  return { type: 'cancelled', holders: others, ahead, ...leave(turn, row, step) }
}

function leave(turn: Turn, row: RequestRow | undefined, step: CancelStep): Pick<CancelOutcome, 'waitedMs' | 'cursor'> {
  if (row === undefined) return { waitedMs: 0, cursor: null }
  if (!isHeld(row)) return { waitedMs: turn.now - row.queuedAt, cursor: endWait(turn, row) }
  const cursor = isLive(turn, row) ? letGo(turn, row, ownedBy(turn, step), 'released').cursor : expire(turn, row)
  return { waitedMs: 0, cursor }
}

/** Lets go of a lease for which the client has no handle. Whoever has entered it since is not concerned. */
export function handBack(turn: Turn, step: HandBackStep, session: SessionRow): DoneOutcome {
  const row = turn.storage.requests.get(step.id)
  if (row !== undefined && isHeld(row) && row.session === session.id && row.lease.fence === step.fence) {
    if (isLive(turn, row)) letGo(turn, row, (owner) => owner.hash === row.tokenHash, 'released')
    else expire(turn, row)
  }
  return { type: 'done' }
}

/** Ends the live leases that cover a resource, as many as one step may. */
export function force(turn: Turn, step: ForceStep): ForceOutcome {
  const ended: LeaseView[] = []
  for (const { row, claim } of coveringLeases(turn, step)) {
    if (step.fence !== null && row.lease.fence !== step.fence) continue
    if (turn.touched.left <= 0) return { type: 'forced', ended, unfinished: true }
    turn.touched.left -= 1
    ended.push(viewOf(turn, row, claim))
    endLease(turn, row, { how: 'forced', by: step.by, reason: step.reason })
  }
  return { type: 'forced', ended, unfinished: false }
}

/** The live lease that the caller proves to own. */
export function ownLease(turn: Turn, ref: RequestRef): HeldRow | undefined {
  const row = turn.storage.requests.get(ref.id)
  if (row === undefined || !isHeld(row)) return undefined
  const hash = turn.hash(ref.token)
  if (!row.lease.owners.some((owner) => owner.hash === hash)) return undefined
  if (isLive(turn, row)) return row
  expire(turn, row)
  return undefined
}

function expire(turn: Turn, row: HeldRow): null {
  bury(turn, row, turn.touched)
  return null
}

function ownedBy(turn: Turn, { token }: RequestRef): (owner: Owner) => boolean {
  const hash = turn.hash(token)
  return (owner) => owner.hash === hash
}

function letGo(
  turn: Turn,
  row: HeldRow,
  leaves: (owner: Owner) => boolean,
  how: 'released' | 'expired',
): ReleaseOutcome {
  const owners = row.lease.owners.filter((owner) => !leaves(owner))
  const heldMs = turn.now - row.lease.grantedAt
  const outcome = { type: 'released', released: true, heldMs } as const
  if (owners.length === 0) return { ...outcome, shared: false, cursor: endLease(turn, row, { how }) }
  turn.storage.requests.update({ ...row, lease: { ...row.lease, owners } })
  return { ...outcome, shared: true, cursor: null }
}

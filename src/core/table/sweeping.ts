import { bury, endWait } from './ending.ts'
import { settle, settleOne } from './granting.ts'
import type { SessionRow } from './storage.ts'
import { isAlive, type Turn } from './turn.ts'

/** How many due rows are read at a time. */
const PAGE = 64

/** A session that holds nothing any more is remembered for this long, so that a late copy of a batch is still refused. */
const REMEMBER_MS = 60_000

/**
 * Ends what has expired and those who wait for a dead session, and grants what that frees: as much as one batch may,
 * whoever sends it. So an expiry is met by the next step of anybody.
 */
export function sweep(turn: Turn): void {
  // What ended before comes first, or a long row of expiries would keep those who wait for them waiting until its end.
  resume(turn)
  settle(turn)
  endWhatIsDue(turn)
  lookAtSessions(turn)
  settle(turn)
}

/** Notes down what the allowance did not reach. Says whether anything is left to do. */
export function suspend(turn: Turn): boolean {
  for (const id of turn.ended) turn.storage.unsettled.add(id)
  if (turn.ended.length > 0) turn.changeMeta({ unsettled: turn.meta.unsettled + turn.ended.length })
  return turn.meta.unsettled > 0 || turn.passing.left <= 0 || turn.touched.left <= 0
}

/** Goes on with what earlier batches left, and reads no more of it than this one can settle. */
function resume(turn: Turn): void {
  while (turn.meta.unsettled > 0 && turn.passing.left > 0) {
    const left = turn.storage.unsettled.first(PAGE)
    // One that was noted twice is stored once: the count must not promise what is not there.
    if (left.length === 0) turn.changeMeta({ unsettled: 0 })
    for (const id of left) {
      if (!settleOne(turn, id)) return
      turn.storage.unsettled.delete(id)
      turn.changeMeta({ unsettled: turn.meta.unsettled - 1 })
    }
  }
}

function endWhatIsDue(turn: Turn): void {
  while (turn.passing.left > 0) {
    const limit = Math.min(PAGE, turn.passing.left)
    const due = turn.storage.requests.due(turn.now, limit)
    for (const row of due) bury(turn, row, turn.passing)
    if (due.length < limit) return
  }
}

function lookAtSessions(turn: Turn): void {
  for (let row = turn.storage.sessions.due(turn.now); row !== undefined; row = turn.storage.sessions.due(turn.now)) {
    if (turn.passing.left <= 0) return
    turn.passing.left -= 1
    lookAtSession(turn, turn.session(row.id) ?? row)
  }
}

function lookAtSession(turn: Turn, row: SessionRow): void {
  const alive = isAlive(row, turn.now)
  if (row.waiting > 0 && (!alive || row.haunted) && !abandonWaiters(turn, row, alive)) return
  const session = turn.session(row.id) ?? row
  const dueAt = alive ? session.seenAt + session.deadMs : Math.max(session.seenAt, session.keepUntil) + REMEMBER_MS
  if (dueAt <= turn.now) turn.deleteSession(row.id)
  else postpone(turn, { ...session, haunted: false, dueAt })
}

/** Takes the dead session's waiters out of their lines; of one that came back, only those of earlier births. */
function abandonWaiters(turn: Turn, session: SessionRow, alive: boolean): boolean {
  while (turn.passing.left > 0) {
    const limit = Math.min(PAGE, turn.passing.left)
    const waiters = turn.storage.requests.waitingOf(session.id, limit)
    for (const waiter of waiters) {
      if (alive && waiter.birth === session.birth) return true
      turn.passing.left -= 1
      endWait(turn, waiter)
    }
    if (waiters.length < limit) return true
  }
  return false
}

/** Written at once, because the sweep asks storage for the next session. */
function postpone(turn: Turn, row: SessionRow): void {
  turn.putSession(row)
  turn.storage.sessions.put(row)
}

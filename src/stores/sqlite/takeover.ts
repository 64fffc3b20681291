import { StoreUnavailableError } from '../../core/errors.ts'
import { sleep } from '../../core/time/sleep.ts'
import type { ClockIdentity } from './clock.ts'
import { newEpoch, type Origin } from './creation.ts'
import type { Database } from './engine.ts'
import { TABLES } from './schema.ts'

/** Two looks at one clock may differ by this much, no more. */
const TOLERANCE_MS = 1000

/** A file that was written to more recently than this may be in use. */
const RECENT_MS = 10_000

/** Whoever uses the file writes to it within this time: a session that waits or holds is dead after 6 s of silence. */
const WATCH_MS = 7000

const LOOK_MS = 50

/** What the file says of the clock that its times are of. */
interface Stamp {
  readonly epoch: string
  readonly boot: string
  readonly clock: string
  readonly at: number
  readonly wallAt: number
  readonly lastEvent: number
}

/**
 * Makes sure that the times in the file are of this process's clock. After a reboot they are not, and all leases are
 * gone: the file is emptied and starts a new epoch. If somebody may still live by the other clock, it is refused.
 *
 * @param read the moment and the clock of this process
 * @throws StoreUnavailableError if the file is in use by another clock; the signal's reason
 */
export async function takeOver(
  database: Database,
  file: string,
  read: () => Origin,
  signal: AbortSignal,
): Promise<void> {
  const stamp = readStamp(database)
  if (isOurs(stamp, read())) return
  const { identity, wallNow } = read()
  if (stamp.boot === identity.boot && lastLeaseEnds(database, stamp) > wallNow) throw anotherClock(file)
  if (wallNow - stamp.wallAt < RECENT_MS && (await isInUse(database, stamp, read, signal))) throw anotherClock(file)
  database.exec('BEGIN IMMEDIATE')
  try {
    const last = readStamp(database)
    if (!isSame(last, stamp) && !isOurs(last, read())) throw anotherClock(file)
    if (!isOurs(last, read())) startAnew(database, read())
    database.exec('COMMIT')
  } catch (error) {
    database.rollback()
    throw error
  }
}

/** Whether the times in the file are of this clock. */
export function isOfClock(database: Database, identity: ClockIdentity): boolean {
  const { boot, clock } = readStamp(database)
  return boot === identity.boot && clock === identity.timeNamespace
}

/** Who opened the file before has a clock of its own: times of the two cannot be compared. */
export function anotherClock(file: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `${file} is in use by processes whose clock is not this process's: another machine, or a container with a time namespace of its own. Leases cannot be compared between the two. Give each its own file, or use a store with a server. Nothing was changed.`,
  )
}

function isOurs(stamp: Stamp, { identity, now }: Origin): boolean {
  return stamp.boot === identity.boot && stamp.clock === identity.timeNamespace && stamp.at <= now + TOLERANCE_MS
}

function isSame(a: Stamp, b: Stamp): boolean {
  return a.epoch === b.epoch && a.at === b.at && a.wallAt === b.wallAt && a.lastEvent === b.lastEvent
}

function readStamp(database: Database): Stamp {
  const row = database
    .prepare(
      `SELECT epoch, boot, clock, max(active_at, ifnull(l.at, 0)) AS at,
         max(wall_active_at, ifnull(l.wall_at, 0)) AS wall_at, max(n.last_event, ifnull(l.last_event, 0)) AS last_event
       FROM namespace n LEFT JOIN log l ON l.last_event = (SELECT max(last_event) FROM log)`,
    )
    .get()
  const [epoch, boot, clock, at, wallAt, lastEvent] = row ?? []
  return { epoch, boot, clock, at, wallAt, lastEvent } as Stamp
}

/** On the wall clock, as well as that can be told. */
function lastLeaseEnds(database: Database, stamp: Stamp): number {
  const due = database.prepare('SELECT max(due_at) FROM requests WHERE held = 1').get()?.[0] ?? null
  return due === null ? 0 : stamp.wallAt + Number(due) - stamp.at
}

/** Watches whether anybody else writes to the file. Whoever has the same clock and was faster is nobody else. */
async function isInUse(database: Database, stamp: Stamp, read: () => Origin, signal: AbortSignal): Promise<boolean> {
  for (let watchedMs = 0; watchedMs < WATCH_MS; watchedMs += LOOK_MS) {
    await sleep(LOOK_MS, signal)
    const current = readStamp(database)
    if (!isSame(current, stamp)) return !isOurs(current, read())
  }
  return false
}

/** The fencing token goes on rising; nothing else is kept. */
function startAnew(database: Database, { identity, now, wallNow }: Origin): void {
  const fence = database.prepare(
    'SELECT max(last_fence, ifnull((SELECT last_fence FROM log ORDER BY last_event DESC LIMIT 1), 0)) FROM namespace',
  )
  const lastFence = fence.get()?.[0] ?? 0
  for (const table of TABLES) if (table !== 'namespace') database.exec(`DELETE FROM ${table}`)
  database
    .prepare(
      `UPDATE namespace SET epoch = ?, boot = ?, clock = ?, active_at = ?, wall_active_at = ?, last_fence = ?, last_id = 0,
         last_event = 0, unsettled = 0, unchecked = 0, ended = 0, remembered = 0, agenda_up_to = 0`,
    )
    .run(newEpoch(), identity.boot, identity.timeNamespace, now, wallNow, lastFence)
}

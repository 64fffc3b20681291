import type { MetaRow, TableStorage } from '../../core/table/storage.ts'
import type { Database, Statement } from './engine.ts'
import { SqlitePrevious, SqliteUnsettled, type Tally } from './leftovers.ts'
import { type Entry, SqliteEvents } from './log.ts'
import { SqliteRequests } from './requests.ts'
import { SqliteOutbox, SqliteSessions } from './sessions.ts'
import { writeEvents } from './texts.ts'

/** Activity that is not logged is noted no more often than this. */
const NOTE_MS = 500

/** The clocks at a batch. */
export interface Moment {
  readonly now: number
  readonly wallNow: number
}

/**
 * The rows of a lock table in a SQLite file. Between {@link SqliteStorage.begin} and {@link SqliteStorage.flush} the
 * caller holds the write lock.
 */
export class SqliteStorage implements TableStorage {
  readonly requests: SqliteRequests
  readonly claims: SqliteRequests['claims']
  readonly sessions: SqliteSessions
  readonly outbox: SqliteOutbox
  readonly unsettled: SqliteUnsettled
  readonly previous: SqlitePrevious
  readonly events: SqliteEvents
  #meta: MetaRow | undefined
  #changedMeta: MetaRow | undefined
  readonly #tally: Tally = { ended: 0, remembered: 0 }
  #writtenEnded = 0
  #version: unknown
  #notedAt = -Infinity
  readonly #dataVersion: Statement
  readonly #read: Statement
  readonly #write: Statement
  readonly #note: Statement
  readonly #append: Statement

  constructor(database: Database) {
    this.requests = new SqliteRequests(database)
    this.claims = this.requests.claims
    this.sessions = new SqliteSessions(database)
    this.outbox = new SqliteOutbox(database)
    this.unsettled = new SqliteUnsettled(database)
    this.previous = new SqlitePrevious(database, this.#tally)
    this.events = new SqliteEvents(database, () => this.readMeta().epoch)
    this.#dataVersion = database.prepare('PRAGMA data_version')
    const logged = ['last_id', 'last_fence', 'last_event', 'ended'].map(
      (column) => `max(n.${column}, ifnull(l.${column}, 0)) AS ${column}`,
    )
    this.#read = database.prepare(
      `SELECT epoch, unsettled, unchecked, ${logged.join(', ')},
         iif(n.ended >= ifnull(l.ended, 0), n.remembered, l.remembered) AS remembered
       FROM namespace n LEFT JOIN log l ON l.last_event = (SELECT max(last_event) FROM log)`,
    )
    this.#write = database.prepare(
      `UPDATE namespace SET last_id = ?, last_fence = ?, last_event = ?, unsettled = ?, unchecked = ?, ended = ?,
         remembered = ?, active_at = ?, wall_active_at = ?`,
    )
    this.#note = database.prepare('UPDATE namespace SET active_at = ?, wall_active_at = ?')
    this.#append = database.prepare(
      `INSERT INTO log (last_event, first_event, at, wall_at, last_id, last_fence, ended, remembered, events)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
  }

  /** A transaction has begun: what this connection knows counts only if no other one has written since. */
  begin(): void {
    const version = this.#dataVersion.get()?.[0]
    if (version !== this.#version) this.forget()
    this.#version = version
  }

  /** What this connection knows is no longer what stands in the file. */
  forget(): void {
    this.#meta = undefined
    this.#changedMeta = undefined
    this.events.takeEntry()
    this.sessions.forget()
    this.requests.forget()
    this.previous.forget()
  }

  readMeta(): MetaRow {
    this.#meta ??= this.#readCounters()
    return this.#meta
  }

  writeMeta(meta: MetaRow): void {
    this.#changedMeta = meta
  }

  /** Writes what was gathered during the batch. */
  flush(moment: Moment): void {
    const isActive = this.sessions.flush()
    const before = this.readMeta()
    const meta = this.#changedMeta ?? before
    const entry = this.events.takeEntry()
    if (entry !== undefined) this.#log(meta, entry, moment)
    const hasSettled = before.unsettled === meta.unsettled && before.unchecked === meta.unchecked
    const isNoted = entry === undefined ? before === meta && this.#writtenEnded === this.#tally.ended : hasSettled
    if (!isNoted) this.#writeCounters(meta, moment)
    else if (isActive && moment.now - this.#notedAt >= NOTE_MS) this.#note.run(moment.now, moment.wallNow)
    else return this.#keep(meta)
    this.#notedAt = moment.now
    this.#keep(meta)
  }

  #readCounters(): MetaRow {
    const [epoch, unsettled, unchecked, lastId, lastFence, lastEvent, ended, remembered] = this.#read.get() ?? []
    this.#tally.ended = Number(ended)
    this.#tally.remembered = Number(remembered)
    this.#writtenEnded = Number(ended)
    return { epoch, lastId, lastFence, lastEvent, unsettled, unchecked } as MetaRow
  }

  #log({ lastEvent, lastId, lastFence }: MetaRow, { first, events }: Entry, { now, wallNow }: Moment): void {
    const { ended, remembered } = this.#tally
    this.#append.run(lastEvent, first, now, wallNow, lastId, lastFence, ended, remembered, writeEvents(events))
  }

  #writeCounters({ lastId, lastFence, lastEvent, unsettled, unchecked }: MetaRow, { now, wallNow }: Moment): void {
    const { ended, remembered } = this.#tally
    this.#write.run(lastId, lastFence, lastEvent, unsettled, unchecked, ended, remembered, now, wallNow)
  }

  #keep(meta: MetaRow): void {
    this.#meta = meta
    this.#changedMeta = undefined
    this.#writtenEnded = this.#tally.ended
  }
}

import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../../core/disk/make-folder.ts'
import { StoreUnavailableError } from '../../core/errors.ts'
import type { TableStorage } from '../../core/table/storage.ts'
import { sleep } from '../../core/time/sleep.ts'
import { type ClockIdentity, monotonicMs } from './clock.ts'
import { type Origin, prepareFile } from './creation.ts'
import { type Database, openDatabase, type Statement } from './engine.ts'
import { unavailable } from './failures.ts'
import { networkFileSystemOf } from './filesystem.ts'
import { isBusy } from './result-code.ts'
import { SqliteStorage } from './storage.ts'
import { anotherClock, isOfClock, takeOver } from './takeover.ts'
import { openWriteLock, type WriteLock } from './writelock.ts'

/** How long others may keep the file locked while a transaction waits to begin; shorter than a session waits for it. */
const PATIENCE_MS = 4000

/** How often it is tried to open a file that others keep locked, about 5 s in all. */
const ATTEMPTS = 500
const LONGEST_PAUSE_MS = 20

/** A folder that is made here is the user's own: whoever can read the file can act for the sessions in it. */
const FOLDER_MODE = 0o700

/** Where a store takes its time from, and whose clock that is. */
export interface LeaseClock {
  readonly identity: ClockIdentity
  /** Milliseconds that never go back; what leases are measured with. */
  readonly leaseMs: () => number
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
}

/** How a file is opened. */
export interface Opening {
  readonly file: string
  readonly clock: LeaseClock
  /** The rows, perhaps wrapped. */
  readonly wrap: (storage: TableStorage) => TableStorage
  readonly signal: AbortSignal
  /** The fencing tokens go on above this. */
  readonly floor: number
}

/** An open lock file: its rows, and the transactions on them. */
export class Connection {
  readonly table: TableStorage
  readonly #opening: Opening
  readonly #database: Database
  readonly #rows: SqliteStorage
  readonly #writeLock: WriteLock
  readonly #inode: number | undefined
  readonly #lastEvent: Statement
  #epoch: string | undefined

  private constructor(opening: Opening, database: Database) {
    this.#opening = opening
    this.#database = database
    this.#rows = new SqliteStorage(database)
    this.table = opening.wrap(this.#rows)
    this.#lastEvent = database.prepare('SELECT max(last_event) FROM log')
    this.#inode = inodeOf(opening.file)
    this.#writeLock = openWriteLock(database, `${opening.file}-turn`)
  }

  /** @throws StoreUnavailableError; the signal's reason */
  static async open(opening: Opening): Promise<Connection> {
    const { file, signal } = opening
    const network = networkFileSystemOf(file)
    if (network !== null) throw onNetwork(file, network)
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted()
      try {
        return await Connection.#try(opening)
      } catch (error) {
        if (!isBusy(error) || attempt === ATTEMPTS) throw signal.aborted ? error : unavailable(error, file)
        await sleep(Math.random() * LONGEST_PAUSE_MS, signal)
      }
    }
  }

  static async #try(opening: Opening): Promise<Connection> {
    const { file, clock, signal, floor } = opening
    makeFolder(dirname(file), FOLDER_MODE)
    const database = openDatabase(file)
    try {
      const read = (): Origin => ({
        identity: clock.identity,
        now: Math.floor(clock.leaseMs()),
        wallNow: clock.wallMs(),
      })
      prepareFile(database, file, read())
      await takeOver(database, file, read, signal)
      // Finds out whether the file can be written to at all.
      database.exec('BEGIN IMMEDIATE')
      if (floor > 0) database.prepare('UPDATE namespace SET last_fence = max(last_fence, ?)').run(floor)
      database.exec('COMMIT')
      return new Connection(opening, database)
    } catch (error) {
      database.close()
      throw error
    }
  }

  /**
   * Runs `work` in a transaction of its own, with the rows as they are now, and commits what it did.
   *
   * @throws what `work` throws; StoreUnavailableError. In both cases nothing has changed.
   */
  async transact<T>(work: (table: TableStorage, moment: { now: number; wallNow: number }) => T): Promise<T> {
    const { clock, file, signal } = this.#opening
    try {
      await this.#writeLock.begin({ deadlineMs: monotonicMs() + PATIENCE_MS, signal })
    } catch (error) {
      throw signal.aborted ? error : unavailable(error, file)
    }
    try {
      this.#rows.begin()
      this.#checkEpoch()
      // Looked at only now: whoever had the lock before has done all it did at an earlier time.
      const moment = { now: Math.floor(clock.leaseMs()), wallNow: clock.wallMs() }
      const result = work(this.table, moment)
      this.#rows.flush(moment)
      this.#writeLock.commit()
      return result
    } catch (error) {
      this.#writeLock.rollback()
      this.#rows.forget()
      throw unavailable(error, file)
    }
  }

  /** Outside of a transaction: the messages for a session, as far as they are committed. */
  messagesFor(session: string): ReturnType<SqliteStorage['outbox']['after']> {
    return this.#rows.outbox.after(session, 0, 256)
  }

  /** Outside of a transaction: the number of the last event. */
  lastEvent(): number {
    return Number(this.#lastEvent.get()?.[0] ?? 0)
  }

  /** Ids of all sessions that are remembered. */
  sessions(): string[] {
    return this.#database
      .prepare('SELECT id FROM sessions')
      .all()
      .map((row) => String(row[0]))
  }

  /** The highest fencing token that this connection knows of. */
  lastFence(): number {
    try {
      return this.#rows.readMeta().lastFence
    } catch {
      return 0
    }
  }

  /** Whether the file was deleted or replaced, so that others no longer see what is written here. */
  isOrphaned(): boolean {
    return inodeOf(this.#opening.file) !== this.#inode
  }

  close(): void {
    this.#writeLock.close()
    this.#database.close()
  }

  /** Another epoch under us: somebody found the file to be of an earlier boot. Its clock must be ours. */
  #checkEpoch(): void {
    const { epoch } = this.#rows.readMeta()
    if (this.#epoch === epoch) return
    if (!isOfClock(this.#database, this.#opening.clock.identity)) throw anotherClock(this.#opening.file)
    this.#epoch = epoch
  }
}

function onNetwork(file: string, type: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `${file} is on a network file system (${type}), where SQLite's locks are not safe. Name a file on a disk of this machine, or use a store with a server. Nothing was created.`,
  )
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino
  } catch {
    return undefined
  }
}

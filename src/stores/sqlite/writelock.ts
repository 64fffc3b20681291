import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from './clock.ts'
import { isBusy } from './result-code.ts'

/**
 * Strategy. SQLite's own waiting (`busy_timeout`) sleeps inside the call: the event loop stands
 * still, and whoever released the lock a moment ago takes it again before a sleeper looks. Here:
 *
 * 1. BEGIN IMMEDIATE never waits. Most collisions last as long as one short transaction, so a
 *    caller that is refused tries again in place for SPIN_MS, then sleeps a millisecond at a time
 *    (asynchronously) and tries once after each.
 * 2. A caller that goes to sleep leaves a mark (who, when: 16 bytes) in a file next to the database.
 * 3. A connection that had the lock for SLICE_MS looks at the mark before its next transaction, and
 *    if somebody else's is fresh it lets the lock go free for a millisecond. Nobody waiting: one
 *    read of 16 bytes and one turn of the event loop per slice (about 3 µs in 2 ms), without which
 *    a caller in a tight loop of awaits would hold up its own timers and pushes for ever. The mark is
 *    a courtesy and not a lock: lost, stale or torn it costs a pause or some fairness, never safety.
 *
 * Measured on 2 cores, Node 24, 8 statements in 14 µs per transaction, all processes in a tight loop
 * (share: least / most served; stall: of the event loop; wait: the longest, and of a caller that
 * comes every 5 ms next to one in a tight loop; this: medians of 5 runs of 3 s, others: of 1 to 3):
 *
 * | processes, strategy       | per second | share | stall     | longest wait | p50, p99 of the other |
 * | ------------------------- | ---------- | ----- | --------- | ------------ | --------------------- |
 * | 4, busy_timeout 5 s       |     65 000 | 0-.65 | 1.8-2.9 s | 2.9 s        |                       |
 * | 4, retry by setImmediate  |     20 000 |  0.78 | 13-29 ms  | 108 ms       | 0.1 ms, 1.3 ms        |
 * | 4, retry after 1-2 ms     |     54 000 |  0.83 | 10-22 ms  | 110 ms       | 9 ms, 58 ms           |
 * | 4, spin 0.2 ms, then 1 ms |     37 000 |  0.80 | 14-17 ms  | 44 ms        | 0.08 ms, 4 ms         |
 * | 4, this                   |     44 000 |  0.89 | 9-15 ms   | 43 ms        | 0.08 ms, 3 ms         |
 * | 2, this                   |     41 000 |  0.97 | 9-48 ms   | 13 ms        |                       |
 *
 * One process alone does 60 000 to 68 000; this costs it 0.25 µs a transaction.
 *
 * Without marks it is left to chance: with 2 processes the spin had runs with a share of 0.63 (0.18
 * within one second), the timer waits of 0.2 s. A slice of 4 ms gives 2 processes 10 % more, and longer waits.
 */
const SPIN_MS = 0.1
const SLICE_MS = 2
/** A waiter renews its mark about every millisecond; it may be late by a turn of the scheduler. */
const MARK_FRESH_MS = 6
/** Without a transaction for so long a connection has not kept the lock from anybody, and its slice starts anew. */
const IDLE_MS = 0.5
const PAUSE_MS = 1
const MARK_BYTES = 16

/** What is needed of a connection. */
export interface WriteLockConnection {
  exec(sql: string): unknown
  prepare(sql: string): { run(): unknown }
}

export interface BeginOptions {
  /** Until when to try, in milliseconds of `monotonicMs()`. At least one attempt is made. */
  readonly deadlineMs: number
  /** Stops waiting; `begin` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The database stayed locked until the deadline. Nothing was begun. */
export class WriteLockTimeoutError extends Error {
  readonly code = 'WRITE_LOCK_TIMEOUT'
  /** How long was tried, in milliseconds. */
  readonly waitedMs: number

  constructor(waitedMs: number) {
    super(
      `Another process kept the lock database busy for ${Math.round(waitedMs)} ms. ` +
        'If it stands still inside a transaction (a debugger, SIGSTOP), let it go on or end it.',
    )
    this.name = 'WriteLockTimeoutError'
    this.waitedMs = waitedMs
  }
}

/** Immediate transactions of one connection. One at a time: the caller sees to it. */
export interface WriteLock {
  /**
   * Begins an immediate transaction, fairly among processes. Stops the event loop for at most about
   * 0.1 ms, and lets it turn every 2 ms when one transaction follows the other.
   *
   * @throws WriteLockTimeoutError after the deadline; the signal's reason after an abort; SQLite's
   * own error for anything but a locked database. In all cases no transaction is open.
   */
  begin(options: BeginOptions): Promise<void>
  /** Commits. If that fails nothing stays open: SQLite has rolled back (disk full, I/O error) or this does. */
  commit(): void
  /** Rolls back; does nothing if SQLite has already done so by itself. Never throws. */
  rollback(): void
  /** Closes the mark file. The connection stays open. */
  close(): void
}

/**
 * Takes over the transactions of a connection. Sets its `busy_timeout` to 0: what must wait
 * inside SQLite (creating the schema, `journal_mode`) comes before.
 *
 * @param markFile where waiters leave their mark; next to the database, created if missing.
 */
export function openWriteLock(connection: WriteLockConnection, markFile: string): WriteLock {
  return new MarkedWriteLock(connection, markFile)
}

interface Wait {
  readonly startMs: number
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
  readonly leaveMark: boolean
}

class MarkedWriteLock implements WriteLock {
  /** Kept, because until some Node after 22.14 statements end when their connection is collected as garbage. */
  readonly #connection: WriteLockConnection
  readonly #begin: { run(): unknown }
  readonly #commit: { run(): unknown }
  readonly #mark: WaitingMark
  /** When this connection's present run of transactions began. */
  #sliceStartMs = 0
  #lastEndMs = 0

  constructor(connection: WriteLockConnection, markFile: string) {
    connection.exec('PRAGMA busy_timeout = 0')
    this.#connection = connection
    this.#begin = connection.prepare('BEGIN IMMEDIATE')
    this.#commit = connection.prepare('COMMIT')
    this.#mark = new WaitingMark(markFile)
  }

  async begin({ deadlineMs, signal }: BeginOptions): Promise<void> {
    signal?.throwIfAborted()
    const startMs = monotonicMs()
    if (startMs - this.#lastEndMs > IDLE_MS) this.#sliceStartMs = startMs
    if (startMs - this.#sliceStartMs > SLICE_MS) {
      if (startMs + PAUSE_MS < deadlineMs && this.#mark.isSomebodyElses(startMs)) {
        // Who pauses for others leaves no mark: it would tell them to pause in turn.
        await this.#waitInLine({ startMs, deadlineMs, signal, leaveMark: false })
        return
      }
      await turnOfEventLoop()
      this.#sliceStartMs = monotonicMs()
    }
    if (this.#tryBegin() || this.#spin()) return
    await this.#waitInLine({ startMs, deadlineMs, signal, leaveMark: true })
  }

  commit(): void {
    try {
      this.#commit.run()
    } catch (error) {
      this.rollback()
      throw error
    } finally {
      this.#lastEndMs = monotonicMs()
    }
  }

  rollback(): void {
    try {
      this.#connection.exec('ROLLBACK')
    } catch {
      // SQLite ends the transaction itself when a write or a commit fails for the disk's sake.
    }
    this.#lastEndMs = monotonicMs()
  }

  close(): void {
    this.#mark.close()
  }

  #spin(): boolean {
    const startMs = monotonicMs()
    while (monotonicMs() - startMs < SPIN_MS) {
      if (this.#tryBegin()) return true
    }
    return false
  }

  async #waitInLine(wait: Wait): Promise<void> {
    let { leaveMark } = wait
    for (;;) {
      const nowMs = monotonicMs()
      if (nowMs >= wait.deadlineMs) throw new WriteLockTimeoutError(nowMs - wait.startMs)
      if (leaveMark) this.#mark.leave(nowMs)
      await pause(wait.signal)
      if (this.#tryBegin()) break
      leaveMark = true
    }
    if (leaveMark) this.#mark.clear()
    this.#sliceStartMs = monotonicMs()
  }

  #tryBegin(): boolean {
    // A refusal is no failure: without its stack trace it costs a third (3.3 -> 1.2 µs).
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      this.#begin.run()
      return true
    } catch (error) {
      if (isBusy(error)) return false
      Error.stackTraceLimit = stackTraceLimit
      if (error instanceof Error) Error.captureStackTrace(error)
      throw error
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}

/** The last waiter's note in the mark file: who (a random number, 0 for nobody), and when in `monotonicMs()`. */
class WaitingMark {
  readonly #file: number
  readonly #own: Float64Array = new Float64Array([1 + Math.floor(Math.random() * 2 ** 52), 0])
  readonly #ownBytes: Uint8Array = new Uint8Array(this.#own.buffer)
  readonly #read: Float64Array = new Float64Array(2)
  readonly #readBytes: Uint8Array = new Uint8Array(this.#read.buffer)

  constructor(path: string) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666)
  }

  isSomebodyElses(nowMs: number): boolean {
    const [who = 0, whenMs = 0] = this.#current()
    return who !== 0 && who !== this.#own[0] && Math.abs(nowMs - whenMs) < MARK_FRESH_MS
  }

  leave(nowMs: number): void {
    this.#own[1] = nowMs
    this.#write(this.#ownBytes)
  }

  /** Takes the mark away if it is this connection's own. */
  clear(): void {
    if (this.#current()[0] === this.#own[0]) this.#write(NOBODY)
  }

  close(): void {
    closeSync(this.#file)
  }

  #current(): Float64Array {
    try {
      if (readSync(this.#file, this.#readBytes, 0, MARK_BYTES, 0) < MARK_BYTES) this.#read.fill(0)
    } catch {
      this.#read.fill(0)
    }
    return this.#read
  }

  #write(bytes: Uint8Array): void {
    try {
      writeSync(this.#file, bytes, 0, MARK_BYTES, 0)
    } catch {
      // A full disk, say. Then nobody pauses for us, and we get the lock by luck, as without marks.
    }
  }
}

const NOBODY: Uint8Array = new Uint8Array(MARK_BYTES)

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(PAUSE_MS, undefined, { signal })
  } catch (error) {
    // The timer rejects with an AbortError of its own; the caller's reason is worth more.
    signal?.throwIfAborted()
    throw error
  }
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { monotonicMs } from '../../../src/stores/sqlite/clock.ts'
import { openWriteLock, WriteLockTimeoutError, type WriteLock } from '../../../src/stores/sqlite/writelock.ts'
import type { CountReport } from './writelock-process.ts'

const PROGRAM = join(import.meta.dirname, 'writelock-process.ts')

let folder = ''
let path = ''
let database: DatabaseSync
let lock: WriteLock
const processes: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-writelock-'))
  path = join(folder, 'locks.db')
  database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  database.exec('CREATE TABLE counter(n INTEGER NOT NULL); INSERT INTO counter VALUES (0)')
  lock = openWriteLock(database, `${path}-line`)
})

afterEach(async () => {
  for (const child of processes.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  lock.close()
  database.close()
  rmSync(folder, { recursive: true })
})

function soon(ms: number): { deadlineMs: number } {
  return { deadlineMs: monotonicMs() + ms }
}

function count(): void {
  database.exec('UPDATE counter SET n = n + 1')
}

function counted(): unknown {
  return database.prepare('SELECT n FROM counter').get()?.['n']
}

/** Another connection of this process, with a lock of its own. */
async function withOther(use: (other: WriteLock) => Promise<void>): Promise<void> {
  const connection = new DatabaseSync(path)
  const other = openWriteLock(connection, `${path}-line`)
  try {
    await use(other)
  } finally {
    other.close()
    connection.close()
  }
}

async function startProcess(...args: string[]): Promise<ChildProcess> {
  const child = fork(PROGRAM, args, { execArgv: ['--experimental-strip-types', '--no-warnings'] })
  processes.push(child)
  await once(child, 'message')
  return child
}

describe('a transaction', () => {
  test('is committed or rolled back', async () => {
    await lock.begin(soon(1000))
    count()
    lock.commit()
    await lock.begin(soon(1000))
    count()
    lock.rollback()
    expect(counted()).toBe(1)
  })

  test('is tried once even when the deadline has passed', async () => {
    await expect(lock.begin({ deadlineMs: 0 })).resolves.toBeUndefined()
    lock.rollback()
  })

  test('begins as soon as another has ended', async () => {
    await withOther(async (other) => {
      await other.begin(soon(1000))
      const begun = lock.begin(soon(10_000))
      const turn = new Promise((resolve) => setImmediate(resolve, 'still waiting'))
      expect(await Promise.race([begun, turn])).toBe('still waiting')
      other.commit()
      await begun
      lock.commit()
    })
  })

  test('is refused after the deadline, with nothing left open', async () => {
    await withOther(async (other) => {
      await other.begin(soon(1000))
      const startMs = monotonicMs()
      const error = await lock.begin(soon(30)).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(WriteLockTimeoutError)
      expect(error).toMatchObject({
        code: 'WRITE_LOCK_TIMEOUT',
        waitedMs: expect.closeTo(monotonicMs() - startMs, -2) as number,
      })
      other.rollback()
      await lock.begin(soon(1000))
      lock.rollback()
    })
  })

  test('follows another in a tight loop without holding up the timers of its process', async () => {
    const timer = new AbortController()
    setTimeout(() => timer.abort(), 1)
    const startMs = monotonicMs()
    while (!timer.signal.aborted && monotonicMs() - startMs < 5_000) {
      await lock.begin(soon(1000))
      lock.commit()
    }
    expect(timer.signal.aborted).toBe(true)
  })

  test('is given up when the signal aborts, with the reason of the signal', async () => {
    await withOther(async (other) => {
      await other.begin(soon(1000))
      const controller = new AbortController()
      const begun = lock.begin({ ...soon(10_000), signal: controller.signal })
      controller.abort('enough')
      await expect(begun).rejects.toBe('enough')
      await expect(lock.begin({ ...soon(10_000), signal: controller.signal })).rejects.toBe('enough')
      other.rollback()
    })
  })

  test('leaves nothing open when its commit fails', async () => {
    database.exec(
      'CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a REFERENCES a DEFERRABLE INITIALLY DEFERRED)',
    )
    await lock.begin(soon(1000))
    count()
    database.exec('INSERT INTO b VALUES (7)')
    expect(() => lock.commit()).toThrow(/FOREIGN KEY/)
    expect(counted()).toBe(0)
    await lock.begin(soon(1000))
    lock.commit()
  })

  test('can be rolled back twice', async () => {
    await lock.begin(soon(1000))
    lock.rollback()
    lock.rollback()
    expect(counted()).toBe(0)
  })

  test('fails as SQLite says where waiting would not help, and names the place', async () => {
    await lock.begin(soon(1000))
    const error = await lock.begin(soon(1000)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'ERR_SQLITE_ERROR',
      message: expect.stringMatching(/within a transaction/) as string,
    })
    expect(error).toHaveProperty('stack', expect.stringMatching(/writelock/))
    lock.rollback()
    expect(Error.stackTraceLimit).toBeGreaterThan(0)
  })
})

describe('between processes', () => {
  test('a holder that is killed holds nothing, and none of its work is seen', async () => {
    const child = await startProcess('hold', path)
    await expect(lock.begin(soon(20))).rejects.toThrow(WriteLockTimeoutError)
    child.kill('SIGKILL')
    await lock.begin(soon(10_000))
    expect(counted()).toBe(0)
    lock.rollback()
  })

  test('all get their share, none stands still and no work is lost', async () => {
    const children = await Promise.all([1, 2, 3].map(() => startProcess('count', path, '1500')))
    const answers = children.map((child) => once(child, 'message'))
    for (const child of children) child.send('start')
    const reports = (await Promise.all(answers)).map(([report]) => report as CountReport)
    const counts = reports.map((report) => report.counted)
    expect(counted()).toBe(counts.reduce((sum, n) => sum + n, 0))
    // Measured 0.9 and 12 ms on an idle machine; with busy_timeout 0.03 and seconds.
    expect(Math.min(...counts) / Math.max(...counts)).toBeGreaterThan(0.4)
    expect(Math.max(...reports.map((report) => report.longestStallMs))).toBeLessThan(300)
    expect(Math.max(...reports.map((report) => report.longestWaitMs))).toBeLessThan(1000)
  })
})

/** A second process for writelock.test.ts. `node writelock-process.ts <mode> <database> [milliseconds]` */
import { DatabaseSync } from 'node:sqlite'
import { monotonicMs } from '../../../src/stores/sqlite/clock.ts'
import { openWriteLock } from '../../../src/stores/sqlite/writelock.ts'

/** What a process that counted says. */
export interface CountReport {
  readonly counted: number
  readonly longestStallMs: number
  readonly longestWaitMs: number
}

const [, , mode, path = '', duration = '0'] = process.argv
const database = new DatabaseSync(path)
database.exec('PRAGMA synchronous = OFF')
const lock = openWriteLock(database, `${path}-line`)
const count = database.prepare('UPDATE counter SET n = n + 1')

function watchStalls(): () => number {
  let longestMs = 0
  let lastMs = monotonicMs()
  const timer = setInterval(() => {
    const nowMs = monotonicMs()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
  }, 1)
  return () => {
    clearInterval(timer)
    return longestMs
  }
}

/** Counts as fast as it can. */
async function countFor(durationMs: number): Promise<CountReport> {
  const longestStallMs = watchStalls()
  const endMs = monotonicMs() + durationMs
  let counted = 0
  let longestWaitMs = 0
  for (let beganMs = monotonicMs(); beganMs < endMs; beganMs = monotonicMs()) {
    await lock.begin({ deadlineMs: beganMs + 10_000 })
    longestWaitMs = Math.max(longestWaitMs, monotonicMs() - beganMs)
    for (let i = 0; i < 8; i++) count.run()
    lock.commit()
    counted += 8
  }
  return { counted, longestStallMs: longestStallMs(), longestWaitMs }
}

if (mode === 'hold') {
  await lock.begin({ deadlineMs: monotonicMs() + 10_000 })
  count.run()
  process.send?.('holding')
  // Only a signal ends this process.
  setInterval(() => {}, 1_000_000)
} else {
  process.on('message', () => {
    void countFor(Number(duration)).then((report) => process.send?.(report, () => process.disconnect()))
  })
  process.send?.('ready')
}

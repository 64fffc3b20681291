import type { Lock, ResourceLockManager } from 'holdfast'
import { untilInLine } from '../compare/standing.ts'
import type { Findings } from '../findings.ts'
import { median } from '../statistics.ts'
import type { Bench } from './bench.ts'
import { openManager } from './contenders.ts'

const ASKING = { agentId: 'bench', timeout: '1h', waitTimeout: 'forever' } as const
const AT_ONCE = 256
const PAIRS = 300

/** What a pair and a hand-over cost while much else is held, or many wait. */
export async function benchSize({ url, quick }: Bench): Promise<Findings> {
  const scale = quick ? 20 : 1
  const locks = openManager(url, 'off')
  await locks.connect()
  const rows: (string | number)[][] = []
  let held = 0
  for (const leases of [10, 1000, 100_000 / scale]) {
    await holdUpTo(locks, held, leases)
    held = leases
    rows.push([`acquire and release beside ${leases} leases`, await pairMs(locks)])
  }
  for (const waiters of [10, 1000, 10_000 / scale]) {
    rows.push([`hand over in a line of ${waiters}`, await handOverMs(locks, waiters)])
  }
  await locks.close()
  const columns = ['', 'p50, ms', 'times the first']
  const [first = NaN, ninth = NaN] = [rows[0]?.[1], rows[3]?.[1]].map(Number)
  const compared = rows.map(([what = '', ms = NaN], index) => [what, ms, Number(ms) / (index < 3 ? first : ninth)])
  return { tables: [{ title: 'Cost by size (commit off)', columns, rows: compared }], aims: [] }
}

async function holdUpTo(locks: ResourceLockManager, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, index) => `bench:held/${first + index}`)
    await Promise.all(some.map((each) => locks.acquire(each, ASKING)))
  }
}

async function pairMs(locks: ResourceLockManager): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < PAIRS; turn += 1) {
    const start = performance.now()
    const lock = await locks.acquire(`bench:pair/${turn % 64}`, ASKING)
    await lock.release()
    times.push(performance.now() - start)
  }
  return median(times)
}

async function handOverMs(locks: ResourceLockManager, waiters: number): Promise<number> {
  const resource = `bench:line/${waiters}`
  let holder: Lock = await locks.acquire(resource, ASKING)
  const leave = new AbortController()
  const asking = { ...ASKING, signal: leave.signal }
  const line = Array.from({ length: waiters }, () => locks.acquire(resource, asking))
  for (const waiter of line) waiter.catch(() => undefined)
  await untilInLine(locks, resource, waiters)
  const times: number[] = []
  for (const next of line.slice(0, Math.min(50, waiters - 1))) {
    const start = performance.now()
    await holder.release()
    holder = await next
    times.push(performance.now() - start)
  }
  leave.abort()
  await Promise.allSettled(line.slice(times.length))
  await holder.release()
  return median(times)
}

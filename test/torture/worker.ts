/** One worker of a torture run: `node worker.ts ASSIGNMENT`, started by the runner. */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isResourceLockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import { EventBus } from '../../src/core/reporting/eventbus.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { Random } from '../support/random.ts'
import {
  type Assignment,
  type DataReply,
  type DataRequest,
  type Line,
  nowMs,
  RESOURCES,
  type Said,
  type Task,
  type Told,
} from './protocol.ts'

/** How often each task is done. */
const TASKS: readonly Task[] = [
  ...(['guarded', 'guarded', 'guarded'] as const),
  ...(['look', 'look'] as const),
  ...(['careless', 'careless'] as const),
  ...(['set', 'set'] as const),
  'try',
]

/** Nobody waits so long unless a grant was lost. */
const PATIENCE_MS = 30_000

/** What can happen to a caller while the store is tortured. Anything else is an error of the lock manager. */
const EXPECTED = ['BUSY', 'WAIT_TIMEOUT', 'LOST', 'UNAVAILABLE', 'NOT_HELD']

const assignment = JSON.parse(process.argv[2] ?? '') as Assignment
const { name, leaseMs } = assignment
const random = new Random(assignment.seed)
const record = openSync(assignment.file, 'a')
const bus = new EventBus()
const locks = new ResourceLockManager({
  store: assignment.store,
  namespace: assignment.namespace,
  heartbeat: `${assignment.heartbeatMs}ms`,
  eventBus: bus,
  metrics: false,
})
const calls = new Map<number, (value: DataReply) => void>()
let lastCall = 0
let leases = 0
const stopping = new AbortController()

function say(said: Said): void {
  process.send?.(said)
}

function write(line: Line): void {
  // At once: what is in memory is gone when this process is killed.
  writeSync(record, `${JSON.stringify(line)}\n`)
}

function ask(request: DataRequest): Promise<DataReply> {
  const call = (lastCall += 1)
  return new Promise((resolve) => {
    calls.set(call, resolve)
    say({ says: 'call', call, request })
  })
}

/** A lock, and under it some work; both may fail as they do where everything is tortured. */
async function turn(task: Task): Promise<void> {
  const resource = RESOURCES[task]
  const mode = task === 'look' ? 'shared' : 'exclusive'
  const lease = `${name}.${(leases += 1)}`
  say({ says: 'asks', resource })
  const waitMs = task !== 'try' ? PATIENCE_MS : random.pick([0, 200])
  write({ is: 'call', at: nowMs(), kind: 'acquire', lease, resource, mode, waitMs })
  const lock = await acquire(waitMs, lease, resource, mode)
  if (lock === undefined) return
  say({ says: 'holds', resource })
  try {
    await work(task, lease, lock)
  } finally {
    write({ is: 'call', at: nowMs(), kind: 'release', lease, resource, mode })
    await release(lease, lock)
  }
}

async function acquire(
  waitMs: number,
  lease: string,
  resource: string,
  mode: 'exclusive' | 'shared',
): Promise<Lock | undefined> {
  const waitTimeout = waitMs === 0 ? 0 : (`${waitMs}ms` as const)
  try {
    // The events of this process tell by this name when a request had joined the line.
    const lock = await locks.acquire(resource, { agentId: lease, mode, timeout: `${leaseMs}ms`, waitTimeout })
    const { fencingToken: fence } = lock
    // First the time: whatever passes before the next line can only make this too early.
    const seenAt = nowMs()
    const heldMs = lock.remainingMs()
    // A lock can be over by the time that its holder comes to look.
    const relied = heldMs > 0 ? { reliedUntil: seenAt + heldMs } : {}
    write({ is: 'return', at: nowMs(), kind: 'acquire', lease, outcome: 'done', fence, ...relied })
    return lock
  } catch (error) {
    const code = expectedCode(error)
    const outcome = code === 'BUSY' || code === 'WAIT_TIMEOUT' ? 'refused' : 'unknown'
    write({ is: 'return', at: nowMs(), kind: 'acquire', lease, outcome, code })
    if (outcome === 'unknown') await sleep(50)
    return undefined
  }
}

async function release(lease: string, lock: Lock): Promise<void> {
  try {
    const outcome = (await lock.release()) ? 'done' : 'refused'
    write({ is: 'return', at: nowMs(), kind: 'release', lease, outcome })
  } catch (error) {
    const code = expectedCode(error)
    write({ is: 'return', at: nowMs(), kind: 'release', lease, outcome: 'unknown', code })
  }
}

async function work(task: Task, lease: string, lock: Lock): Promise<void> {
  if (task === 'look') return sleep(random.below(10))
  if (task === 'careless') return change('careless', null)
  const data = task === 'guarded' ? 'guarded' : 'set'
  if ((await ask({ asks: 'enter', data, token: lock.fencingToken })) === null) return
  await change(data, lock.fencingToken, lease)
  const at = nowMs()
  if (lock.isHeld) write({ is: 'held', at, until: nowMs(), lease })
}

/** Reads, takes its time, and writes what it has made of it. */
async function change(data: string, token: number | null, element?: string): Promise<void> {
  const page = await ask({ asks: 'read', data })
  if (page === null) return
  await sleep(random.below(8))
  const elements = element === undefined ? page.elements : [...page.elements, element]
  await ask({ asks: 'write', data, token, page: { ...page, value: page.value + 1, elements } })
}

/** A worker may be started while the store cannot be reached. */
async function connect(): Promise<void> {
  for (;;) {
    try {
      return await locks.connect()
    } catch (error) {
      expectedCode(error)
      await sleep(50)
    }
  }
}

function expectedCode(error: unknown): string {
  if (isResourceLockError(error) && EXPECTED.includes(error.code)) return error.code
  throw error
}

process.on('message', (told: Told) => {
  if (told.tells === 'stop') stopping.abort()
  else {
    calls.get(told.call)?.(told.value)
    calls.delete(told.call)
  }
})
// The runner decides when it is over; without it there is no point in going on.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

bus.subscribe('resource.waiting', ({ agentId, resources }) => {
  write({ is: 'queued', at: nowMs(), lease: agentId })
  say({ says: 'waits', resource: resources[0]?.resourceId ?? '' })
})

try {
  await connect()
  say({ says: 'ready' })
  while (!stopping.signal.aborted) {
    await turn(random.pick(TASKS))
    say({ says: 'rests' })
    await sleep(random.below(5))
  }
  await locks.close()
  process.exit(0)
} catch (error) {
  const said: Said = { says: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  process.send?.(said, () => process.exit(1))
}

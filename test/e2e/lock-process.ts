/** A process for the multi-process tests: `node lock-process.ts <store URL>`, told what to do by its parent. */
import { guardedUpdateFile } from '../../src/guard/index.ts'
import { isResourceLockError, type Lock, ResourceLockManager } from '../../src/index.ts'
import { GuardedRegister } from '../support/guarded-register.ts'

const [, , store = ''] = process.argv
const locks = new ResourceLockManager({ store, metrics: false, heartbeat: '200ms' })
const agentId = `process-${process.pid}`
const handles: Lock[] = []
const stopping = new AbortController()
let longestStallMs = 0

function lockOf(handle: number): Lock {
  const lock = handles[handle]
  if (lock === undefined) throw new Error(`There is no lock ${handle}.`)
  return lock
}

/** A guarded read-modify-write; false if a later holder has been here. */
async function countOnce(path: string, lock: Lock): Promise<boolean> {
  try {
    await guardedUpdateFile(lock, path, (text) => {
      const counts = JSON.parse(text ?? '{}') as Record<string, number>
      return JSON.stringify({ ...counts, [agentId]: (counts[agentId] ?? 0) + 1 })
    })
    return true
  } catch (error) {
    if (isResourceLockError(error, 'FENCED_OUT')) return false
    throw error
  }
}

async function keepCounting(resource: string, countUnder: (lock: Lock) => Promise<boolean>): Promise<void> {
  while (!stopping.signal.aborted) {
    try {
      await locks.withLock(resource, { agentId, timeout: '1s', waitTimeout: 'forever' }, async (lock) => {
        if (await countUnder(lock)) process.send?.({ said: 'counted' })
      })
    } catch (error) {
      if (!isResourceLockError(error, 'LOST') && !isResourceLockError(error, 'UNAVAILABLE')) throw error
    }
  }
}

const methods: Record<string, (...args: never[]) => unknown> = {
  connect: () => locks.connect(),
  close: () => locks.close(),
  async acquire(resource: string, options: object) {
    const lock = await locks.acquire(resource, { agentId, waitTimeout: 'forever', ...options })
    const handle = handles.push(lock) - 1
    return { handle, fencingToken: lock.fencingToken, lockedAt: lock.lockedAt.getTime() }
  },
  release: (handle: number) => lockOf(handle).release(),
  /** What a careful holder does before each step. */
  assertHeld: (handle: number) => lockOf(handle).assertHeld(),
  seen: (handle: number) => ({ isHeld: lockOf(handle).isHeld, aborted: lockOf(handle).signal.aborted }),
  waiters: async (resource: string) => (await locks.getLockInfo(resource))?.waiters ?? 0,
  owner: (resource: string) => locks.getOwner(resource),
  previous: (handle: number) => lockOf(handle).previous,
  /** What a careless holder does: it writes without a look at its lock. */
  async write(handle: number, registerPort: number, key: string, value: number) {
    const register = await GuardedRegister.open(registerPort, key)
    const isAccepted = await register.write(lockOf(handle).fencingToken, value)
    register.close()
    return isAccepted
  },
  /** Counts in a guarded file until it is stopped, and says each count that it has written. */
  count: (path: string, resource: string) => keepCounting(resource, (lock) => countOnce(path, lock)),
  /** Counts in a guarded register until it is stopped, and says each count that was accepted. */
  async countIn(registerPort: number, key: string, resource: string) {
    const register = await GuardedRegister.open(registerPort, key)
    await keepCounting(resource, (lock) => register.addOne(lock.fencingToken))
    register.close()
  },
  /** Takes and gives one lock as often as it can; how often, and how long the event loop stood still at most. */
  async hammer(resource: string, untilMs: number) {
    let count = 0
    let longestWaitMs = 0
    while (Date.now() < untilMs) {
      const began = performance.now()
      const lock = await locks.acquire(resource, { agentId, waitTimeout: 'forever' })
      longestWaitMs = Math.max(longestWaitMs, performance.now() - began)
      count += 1
      await lock.release()
    }
    return { count, longestWaitMs, longestStallMs }
  },
  stop: () => stopping.abort(),
}

let lastTick = performance.now()
setInterval(() => {
  const now = performance.now()
  longestStallMs = Math.max(longestStallMs, now - lastTick)
  lastTick = now
}, 1).unref()

process.on('message', ({ call, method, args }: { call: number; method: string; args: never[] }) => {
  if (method === 'hammer') longestStallMs = 0
  Promise.resolve()
    .then(() => methods[method]?.(...args))
    .then(
      (value) => process.send?.({ call, value }),
      (error: { message: string; code?: string; loss?: object }) => {
        process.send?.({ call, error: { message: error.message, code: error.code, loss: error.loss } })
      },
    )
})

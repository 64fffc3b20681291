// A janitor: every so often it ends the locks that are too old, and leaves a note of each.
import { once } from 'node:events'
import { setInterval } from 'node:timers/promises'
import { memoryStore, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using agents = new ResourceLockManager({ store })
await using admin = new ResourceLockManager({ store })

/** Ends every lock that is older than `maxAge`. */
async function cleanUp(): Promise<void> {
  // Of several janitors one is enough at a time; a lock decides which.
  await using turn = await admin.tryAcquire('admin:cleanup', { agentId: 'janitor' })
  if (turn === null) return
  for (const { resourceId, fencingToken } of await admin.findStaleLocks({ maxAge: '500ms' })) {
    const ended = await admin.forceUnlock(resourceId, {
      adminAgentId: 'janitor',
      reason: 'older than 500 ms',
      fencingToken, // if it was released meanwhile, its successor's lock is safe
    })
    // A lock on several resources is found once for each, and ended by the first.
    for (const lock of ended) console.log(`ended: ${lock.agentId}, ${lock.reason}, ${lock.resourceId}`)
  }
}

/** Runs until the signal aborts. One failure must not end it: next time the store may be back. */
async function repeat(everyMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of setInterval(everyMs, undefined, { signal })) await work().catch(console.error)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

const stop = new AbortController()
const janitor = repeat(100, cleanUp, stop.signal)

const hung = await agents.acquire(['file:a.ts', 'file:b.ts'], { agentId: 'agent-a', reason: 'merge', autoExtend: true })
await once(hung.signal, 'abort')

stop.abort()
await janitor
console.log(`agent-a still holds its lock: ${hung.isHeld}`)
console.log(`file:b.ts is ${(await admin.isLocked('file:b.ts')) ? 'locked' : 'free'}`)

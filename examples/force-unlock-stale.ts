// An agent hangs, and its lock renews itself: find it, end it, and let the next one in.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isResourceLockError, memoryStore, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using agents = new ResourceLockManager({ store })
await using admin = new ResourceLockManager({ store })

// `maxHold` would have prevented this. (An agent that died needs no help: its lock ends after `timeout`.)
const hung = await agents.acquire('file:src/main.ts', { agentId: 'agent-hung', reason: 'refactor', autoExtend: true })
const isTold = once(hung.signal, 'abort')
const waiting = agents.acquire('file:src/main.ts', { agentId: 'agent-next' })

await sleep(1_500)
await using fresh = await agents.acquire('file:src/other.ts', { agentId: 'agent-busy', reason: 'format' })

// Older than this, however often it was extended. In earnest: minutes or hours.
for (const stale of await admin.findStaleLocks({ maxAge: '1s' })) {
  console.log(`stale: ${stale.resourceId}, held by ${stale.agentId} (${stale.reason}), ${stale.waiters} waiting`)
  const ended = await admin.forceUnlock(stale.resourceId, {
    adminAgentId: 'admin',
    reason: 'held for too long',
    // Ends this very lock. If it is released at this moment, the next holder's lock is safe.
    fencingToken: stale.fencingToken,
  })
  for (const info of ended) console.log(`ended: the lock of ${info.agentId}`)
}

// The next in line was granted in the same step.
const next = await waiting
console.log(`${next.agentId} holds ${next.resourceId}, after ${next.previous?.agentId}`)
console.log(`${fresh.agentId} was left alone: ${fresh.isHeld}`)

// Its former holder is told, by whom and why, should it ever wake up.
await isTold
try {
  hung.assertHeld()
} catch (error) {
  if (!isResourceLockError(error, 'LOST')) throw error
  console.log(`${hung.agentId} is told: ${error.loss.kind} by ${error.loss.by}: ${error.loss.reason}`)
}

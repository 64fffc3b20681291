// Work that takes longer than anybody can know: a short lock that renews itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { isResourceLockError, ResourceLockManager } from 'holdfast'

await using locks = new ResourceLockManager({ store: 'memory:' })

// A short `timeout` frees the resource soon after a crash, and `autoExtend` renews it as long as this process lives.
await locks.withLock(
  'state:index',
  { agentId: 'agent-a', reason: 'rebuild the index', timeout: '1500ms', autoExtend: { maxHold: '1h' } },
  async (lock) => {
    for (let part = 1; part <= 3; part++) {
      // Hand `lock.signal` to whatever takes one: it aborts if the lock is lost all the same.
      await sleep(800, undefined, { signal: lock.signal })
      console.log(`part ${part} of 3 is done, still held: ${lock.isHeld}`)
    }
  },
)

// Work that hangs must not hold its lock for ever: `maxHold` is the limit of all renewals together.
try {
  await locks.withLock(
    'state:index',
    { agentId: 'agent-b', reason: 'wait for an answer', timeout: '300ms', autoExtend: { maxHold: '500ms' } },
    async (lock) => sleep(60_000, undefined, { signal: lock.signal }), // an answer that never comes
  )
} catch (error) {
  if (!isResourceLockError(error, 'LOST')) throw error
  console.log('agent-b hung, and lost its lock')
}

// Or extend by hand, where you know by how much.
await locks.withLock('state:index', { agentId: 'agent-a', timeout: '5s' }, async (lock) => {
  await lock.extend('10m')
  console.log(`minutes left: ${Math.round(lock.remainingMs() / 60_000)}`)
})

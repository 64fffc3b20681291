// The work took longer than the lock: notice it before damage is done, and recover.
import { setTimeout as sleep } from 'node:timers/promises'
import { isResourceLockError, memoryStore, type Lock, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })
const resource = 'state:price'
let price = 100

/** Reads, thinks, and writes; `thinking` may take longer than the lock lasts. */
async function raise(lock: Lock, thinking: () => Promise<unknown>): Promise<void> {
  const read = price
  await thinking()
  // Just before what cannot be undone. Without this line the change of agent-b below would be overwritten.
  lock.assertHeld()
  price = read + 10
}

try {
  await a.withLock(resource, { agentId: 'agent-a', timeout: '1s' }, async (lock) => {
    // `lock.signal` aborts at the same moment: with it, work can stop early instead of coming too late.
    lock.signal.addEventListener('abort', () => console.log('agent-a: the lock is gone, stop'))
    // Detached, because agent-b stands for another process: what it does is no part of agent-a's work.
    const doubled = b.detached(() =>
      b.withLock(resource, { agentId: 'agent-b', reason: 'new tariff' }, () => (price *= 2)),
    )
    // A model that takes its time, and takes no signal. Meanwhile agent-b, next in line, gets the lock.
    await raise(lock, async () => Promise.all([doubled, sleep(1_200)]))
  })
} catch (error) {
  // `withLock` tells of the loss even if the function ended well: what it did may have met somebody else's work.
  if (!isResourceLockError(error, 'LOST')) throw error
  console.log(`agent-a: ${error.code}, ${error.loss.kind}; the price is ${price}`)
}

// Recover: lock again, this time for long enough, and look what happened in between.
await a.withLock(resource, { agentId: 'agent-a', autoExtend: { maxHold: '10m' } }, async (lock) => {
  const last = lock.previous?.agentId
  console.log(`agent-a: ${last === 'agent-a' ? 'nobody was here' : `${last} was here (${lock.previous?.reason})`}`)
  await raise(lock, () => sleep(10))
})
console.log(`agent-a: done, the price is ${price}`)

// Take the lock if it is free, and do something else if it is not.
import { isResourceLockError, memoryStore, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })

const held = await a.acquire('file:docs/guide.md', { agentId: 'agent-a', reason: 'new chapter', timeout: '10m' })

// Do not ask `isLocked` and then lock: somebody may come in between. `tryAcquire` does both in one step.
for (const file of ['file:docs/guide.md', 'file:docs/faq.md']) {
  await using lock = await b.tryAcquire(file, { agentId: 'agent-b' })
  console.log(lock === null ? `${file} is taken, skipped` : `${file} is ours`)
}

// The same with a reason: with `waitTimeout: 0` the error says who is in the way.
try {
  await b.acquire('file:docs/guide.md', { agentId: 'agent-b', waitTimeout: 0 })
} catch (error) {
  if (!isResourceLockError(error, 'BUSY')) throw error
  const [holder] = error.holders
  const minutes = holder === undefined ? 0 : Math.ceil((holder.expiresAt.getTime() - Date.now()) / 60_000)
  console.log(`${holder?.agentId} has it: ${holder?.reason}. For ${minutes} minutes at most; ${error.ahead} in line.`)
}

await held.release()
await using lock = await b.tryAcquire('file:docs/guide.md', { agentId: 'agent-b' })
console.log(`released, and now ${lock?.agentId} has it`)

// Try again, with longer and longer pauses, until the resource is free.
import { exponential, isResourceLockError, memoryStore, ResourceLockManager, retry } from 'holdfast'

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })

/** Works if nobody else does. It does not stand in line: between two attempts there is time for other things. */
const deploy = () => b.withLock('env:staging', { agentId: 'agent-b', waitTimeout: 0 }, () => 'deployed')

// Waits up to 50 ms, then up to 100, 200, … 2000. How long exactly is left to chance (`jitter`), so that those who
// failed together do not come back together.
const backoff = exponential({ base: '50ms', max: '2s', jitter: 'full' })

const held = await a.acquire('env:staging', { agentId: 'agent-a', reason: 'load test' })

// Only what may pass is tried again: BUSY, WAIT_TIMEOUT, DEADLOCK and UNAVAILABLE. Not an error of your own code,
// and not the loss of a lock: after that there is something to check first.
const result = await retry(
  async (attempt) => {
    console.log(`attempt ${attempt}`)
    if (attempt === 3) await held.release() // the other agent happens to be done by now
    return deploy()
  },
  { attempts: 8, backoff },
)
console.log(result)

// The last error is the one that you get.
const another = await a.acquire('env:staging', { agentId: 'agent-a', reason: 'another load test' })
try {
  await retry(deploy, { attempts: 3, backoff })
} catch (error) {
  if (!isResourceLockError(error, 'BUSY')) throw error
  console.log(`given up after 3 attempts: ${error.holders[0]?.agentId} has it for '${error.holders[0]?.reason}'`)
}
await another.release()

// If there is nothing else to do meanwhile, stand in line with `waitTimeout`: that is quicker, and fair.

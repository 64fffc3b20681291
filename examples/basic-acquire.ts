// Lock a file, work on it, let go of it.
import { ResourceLockManager } from 'holdfast'

// 'memory:' keeps the locks inside this process. Leave `store` out, and all processes of this machine share them.
await using locks = new ResourceLockManager({ store: 'memory:' })

// `withLock` is the form to prefer: the lock is released however the function ends, also where it throws.
const lines = await locks.withLock(
  'file:src/main.ts',
  {
    agentId: 'agent-a', // who locks; the only option that has no default
    reason: 'count the lines', // others see it while they wait
    timeout: '30s', // the lock ends by itself after this, so that a crash blocks nobody for ever
    waitTimeout: '5s', // how long to stand in line if somebody else has it
  },
  async (lock) => {
    console.log(`${lock.agentId} holds ${lock.resourceId}`)
    return 42
  },
)
console.log(`the work returned ${lines}`)

// Where a function does not fit, take the lock itself: `await using` releases it at the end of the block.
{
  await using lock = await locks.acquire('port:5432', {
    agentId: 'agent-a',
    reason: 'integration tests',
  })
  console.log(`${lock.agentId} holds ${lock.resourceId}`)
}

for (const resource of ['file:src/main.ts', 'port:5432']) {
  console.log(`${resource} is ${(await locks.isLocked(resource)) ? 'locked' : 'free'}`)
}

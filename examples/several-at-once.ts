// Several locks in one request: all of them together, or none.
import { memoryStore, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })

const held = await a.acquire('file:package.json', { agentId: 'agent-a', reason: 'add a dependency' })

// The order does not matter, each resource may have a mode of its own, and `/**` is a folder with all that is in it.
const request = b.withLock(
  ['file:src/**', 'file:package.json', { resourceId: 'file:tsconfig.json', mode: 'shared' }],
  { agentId: 'agent-b', reason: 'rename a package' },
  async (lock) => {
    for (const { resourceId, scope, mode } of lock.resources) console.log(`agent-b has ${resourceId} ${scope} ${mode}`)
    return lock.resources.length
  },
)
await new Promise((resolve) => held.onWanted(resolve))

// While it waits for one of them it holds nothing, so nobody can be in a deadlock with it.
console.log(`agent-b waits, and src is ${(await a.isLocked('file:src/**')) ? 'locked' : 'free'}`)

// But it has its place in every line: who comes later and wants a part of it waits behind it.
const later = await a.tryAcquire('file:src/main.ts', { agentId: 'agent-c' })
console.log(`agent-c comes later, and ${later === null ? 'must wait' : 'got in front'}`)

await held.release()
console.log(`agent-b was granted ${await request} resources in one step`)

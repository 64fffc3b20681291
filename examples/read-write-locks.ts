// Many readers or one writer.
import { memoryStore, ResourceLockManager } from 'holdfast'

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })
const schema = 'state:schema'

// Readers do not disturb each other.
const first = await a.acquire(schema, { agentId: 'reader-1', mode: 'shared' })
const second = await b.acquire(schema, { agentId: 'reader-2', mode: 'shared' })
console.log(`read by ${first.agentId} and ${second.agentId} at the same time`)

// A writer wants to be alone ('exclusive' is the default), so it waits for both.
const isWanted = new Promise((resolve) => second.onWanted(resolve))
const writing = b.withLock(schema, { agentId: 'writer' }, ({ agentId }) => console.log(`${agentId} writes`))
await isWanted

// The line is fair: whoever comes now waits behind the writer, or a stream of readers would keep it out for ever.
console.log(`the writer waits, may another reader start: ${await canRead('reader-3')}`)

await first.release()
console.log(`one reader is done, is it still locked: ${await a.isLocked(schema)}`)
await second.release()
await writing
console.log(`the writer is done, may a reader start: ${await canRead('reader-3')}`)

async function canRead(agentId: string): Promise<boolean> {
  await using lock = await a.tryAcquire(schema, { agentId, mode: 'shared' })
  return lock !== null
}

// A shared lock cannot become an exclusive one. Who may have to write asks for the exclusive one from the start.

// A long job in short pieces: others get their turn in between, and whoever stops can go on where it was.
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lock, memoryStore, ResourceLockManager } from 'holdfast'

await using folder = await mkdtempDisposable(join(tmpdir(), 'holdfast-example-'))
const checkpoint = join(folder.path, 'checkpoint.json')
await writeFile(checkpoint, JSON.stringify({ next: 1 }))

const store = memoryStore()
await using a = new ResourceLockManager({ store })
await using b = new ResourceLockManager({ store })

const LAST = 6

/** Does one piece under the lock. Returns whether there is more to do. */
async function migrateOne(agentId: string, lock: Lock): Promise<boolean> {
  // Never from memory: between two pieces somebody else may have gone on with it.
  const { next } = JSON.parse(await readFile(checkpoint, 'utf8')) as { next: number }
  if (next > LAST) return false
  await sleep(20) // the piece itself
  lock.assertHeld()
  console.log(`${agentId}: piece ${next}`)
  // Last, while the lock is held. Whoever dies before this line leaves the piece to the next one, which does it
  // again: a piece must bear being done twice.
  await writeFile(checkpoint, JSON.stringify({ next: next + 1 }))
  return true
}

async function migrate(locks: ResourceLockManager, agentId: string, pieces: number): Promise<void> {
  for (let piece = 0; piece < pieces; piece++) {
    // A lock for each piece: short enough that nobody waits for long, and that a crash costs little.
    const options = { agentId, reason: 'migrate', timeout: '5s' } as const
    const isMore = await locks.withLock('state:migration', options, (lock) => migrateOne(agentId, lock))
    if (!isMore) return console.log(`${agentId}: all is done`)
  }
  console.log(`${agentId}: stops here`)
}

// agent-a stops after two pieces. agent-b goes on from the checkpoint, not from the beginning.
await migrate(a, 'agent-a', 2)
await migrate(b, 'agent-b', 1)
// Two at once take turns: who asks again stands behind the one who waits.
await Promise.all([migrate(a, 'agent-a', LAST), migrate(b, 'agent-b', LAST)])

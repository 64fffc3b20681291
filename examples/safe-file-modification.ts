// Several processes change one file, and no change is lost.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileResource, ResourceLockManager } from 'holdfast'

const EDITS = 10
const [agentId, root] = process.argv.slice(2)
if (agentId !== undefined && root !== undefined) await work(agentId, root)
else await main()

/** Reads, changes and writes a file while nobody else does. */
async function modify(locks: ResourceLockManager, agent: string, folder: string, change: (text: string) => string) {
  const path = join(folder, 'notes.txt')
  // One file has many paths and must have one lock: `fileResource` makes the one name of it.
  const resource = fileResource(path, { root: folder })
  await locks.withLock(resource, { agentId: agent, reason: 'add a note' }, async (lock) => {
    const text = await readFile(path, 'utf8')
    // Aside first, so that a crash leaves the old text or the new one, and nobody reads half of it. The fencing token
    // is different for each lock: two holders, one of them too late, never write into the same file.
    const aside = `${path}.${lock.fencingToken}`
    await writeFile(aside, change(text), { signal: lock.signal })
    // Whoever stood still past the end of its lock must not write any more: others may have written since.
    lock.assertHeld()
    await rename(aside, path)
  })
}

/** What each agent process does. */
async function work(agent: string, folder: string): Promise<void> {
  await using locks = new ResourceLockManager({ store: `sqlite:${join(folder, 'locks.db')}` })
  for (let edit = 1; edit <= EDITS; edit++) await modify(locks, agent, folder, (text) => `${text}${agent}: ${edit}\n`)
}

async function main(): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'holdfast-example-'))
  await writeFile(join(folder.path, 'notes.txt'), '')

  const agents = ['agent-a', 'agent-b', 'agent-c']
  const processes = agents.map((agent) => fork(import.meta.filename, [agent, folder.path]))
  const ends = await Promise.all(processes.map((child) => once(child, 'exit')))
  console.log(`processes that failed: ${ends.filter(([code]) => code !== 0).length}`)

  const notes = (await readFile(join(folder.path, 'notes.txt'), 'utf8')).trimEnd().split('\n')
  for (const agent of agents) {
    console.log(`${agent}: ${notes.filter((note) => note.startsWith(agent)).length} of ${EDITS} notes are there`)
  }
}

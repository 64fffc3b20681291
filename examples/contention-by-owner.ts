// What to do about a resource in use depends on who has it: wait, put the work aside, or raise an alarm.
import { defer, fail, isResourceLockError, memoryStore, onContention, ResourceLockManager, retryAfter } from 'holdfast'

const store = memoryStore()
await using others = new ResourceLockManager({ store })
await using locks = new ResourceLockManager({ store })

const byAgent = await others.acquire('file:src/a.ts', { agentId: 'agent-b', reason: 'format' })
const byBuild = await others.acquire('file:src/b.ts', { agentId: 'ci-build-42', reason: 'release build' })
await others.acquire('file:src/c.ts', { agentId: 'human-jane', reason: 'hand edit', timeout: '8h' })

/** Work for later; any object with `push` will do, so it may be a real queue. */
const later: (() => Promise<unknown>)[] = []

async function fix(file: string): Promise<void> {
  const result = await onContention(
    locks,
    file,
    { agentId: 'agent-a', reason: 'fix' },
    () => console.log(`${file}: fixed`),
    async (error, attempt) => {
      const owner = error.holders[0]?.agentId ?? 'somebody'
      // People may take hours: tell them, and give up.
      if (owner.startsWith('human-')) return fail(() => console.log(`${file}: please let go of it, ${owner}`))
      // Builds take minutes: go on with something else.
      if (owner.startsWith('ci-')) return defer(later)
      // Agents take moments. `attempt` is there so that a strategy can end some time.
      if (attempt === 1) console.log(`${file}: waiting for ${owner}`)
      if (attempt === 2) await byAgent.release() // the other agent happens to be done by now
      return attempt < 50 ? retryAfter('20ms') : defer(later)
    },
  )
  if (!result.done) console.log(`${file}: put aside`)
}

for (const file of ['file:src/a.ts', 'file:src/b.ts', 'file:src/c.ts']) {
  try {
    await fix(file)
  } catch (error) {
    if (!isResourceLockError(error, 'BUSY')) throw error
    console.log(`${file}: given up, ${error.holders[0]?.agentId} has it for a '${error.holders[0]?.reason}'`)
  }
}

await byBuild.release()
for (const task of later) await task()

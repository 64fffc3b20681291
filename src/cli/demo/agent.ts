import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ResourceLockManager } from '../../open.ts'

/** The word by which the demo starts this program as one of its agents. */
export const DEMO_AGENT = '__demo-agent'

/** How often each agent adds 1. */
export const ROUNDS = 10

const THINKING_MS = 20

/** One of the demo's agents. */
export async function demoAgent([folder = '', agentId = '', how = '']: readonly string[]): Promise<void> {
  const file = join(folder, 'counter.txt')
  await using locks = new ResourceLockManager({ store: `sqlite:${join(folder, 'locks.db')}`, metrics: false })
  let waited = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    if (how !== 'locked') await addOne(file)
    else {
      const free = await locks.getOwner('file:counter.txt')
      waited += free === null ? 0 : 1
      await locks.withLock('file:counter.txt', { agentId, reason: `round ${round}` }, () => addOne(file))
    }
  }
  const patience = how === 'locked' ? `, found it locked ${waited} times and waited in line` : ''
  process.stdout.write(`  ${agentId}: added 1 ${ROUNDS} times${patience}\n`)
}

async function addOne(file: string): Promise<void> {
  const read = Number(await readFile(file, 'utf8'))
  await pause(THINKING_MS * (0.5 + Math.random()))
  await writeFile(file, String(read + 1))
}

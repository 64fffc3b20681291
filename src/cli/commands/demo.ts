import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEMO_AGENT, ROUNDS } from '../demo/agent.ts'
import { EXIT } from '../exit-codes.ts'
import { Failure } from '../failure.ts'
import { paint, print } from '../output.ts'

const AGENTS = ['alice', 'bob'] as const

/** Two processes count in one file: first each as it likes, then each under a lock. */
export async function demo(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
  const wanted = AGENTS.length * ROUNDS
  try {
    print(`Two agents, ${AGENTS.join(' and ')}, each add 1 to a number in a file, ${ROUNDS} times: read, think, write.`)
    print(`\n${paint('bold', 'Without a lock')}`)
    const without = await countIn(folder, 'unlocked')
    print(`The file says ${without}. ${lostText(wanted - without)}`)
    print(`\n${paint('bold', 'With a lock on the file')}`)
    const locked = await countIn(folder, 'locked')
    print(`The file says ${locked}. ${lostText(wanted - locked)}`)
    print(`\nWhat they did is: holdfast run counter.txt -- <read, think, write>. See 'holdfast run --help'.`)
    return locked === wanted ? EXIT.ok : EXIT.other
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function countIn(folder: string, how: 'locked' | 'unlocked'): Promise<number> {
  const file = join(folder, 'counter.txt')
  await writeFile(file, '0')
  await Promise.all(AGENTS.map((name) => runAgent(folder, name, how)))
  return Number(await readFile(file, 'utf8'))
}

async function runAgent(folder: string, name: string, how: string): Promise<void> {
  const child = spawn(process.execPath, [process.argv[1] ?? '', DEMO_AGENT, folder, name, how], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Failure(`The demo's agent ${name} has ended (${String(code)}).`)
}

function lostText(count: number): string {
  return count === 0 ? paint('green', 'Nothing was lost.') : paint('red', `${count} additions were lost.`)
}

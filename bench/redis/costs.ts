import type { Lock, ResourceLockManager } from 'holdfast'
import { untilInLine } from '../compare/standing.ts'
import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import { type Commands, countCommands } from './commands.ts'
import { openManager } from './contenders.ts'

const AGENT = { agentId: 'bench', waitTimeout: 'forever', timeout: '10m' } as const

/** One thing whose cost is counted, how often it was done, and what the server counted. */
interface Cost {
  readonly what: string
  readonly times: number
  readonly commands: Commands
}

/** What operations cost in commands: sent, and called inside scripts. */
export async function benchCosts({ port, admin, quick }: Bench): Promise<Findings> {
  const scale = quick ? 10 : 1
  const costs: Cost[] = []
  const count = async (what: string, times: number, work: () => Promise<unknown>): Promise<void> => {
    costs.push({ what, times, commands: await countCommands(admin, work) })
  }
  await withManager(port, async (locks) => {
    await count('one caller: acquire and release', 100, () =>
      repeat(100, async () => (await locks.acquire('c:one', AGENT)).release()),
    )
    await count('256 callers: acquire and release', 2560, () => repeat(10, () => manyPairs(locks, 256)))
    await count('acquire and release 8 resources', 100, () =>
      repeat(100, async () => (await locks.acquire(eight(), AGENT)).release()),
    )
  })
  await readersAndWriters(port, count)
  for (const leaves of [0, 20_000 / scale]) await treeOverLeaves(port, leaves, count)
  for (const waiters of [10, 1000 / scale, 10_000 / scale]) await handOverInLine(port, waiters, count)
  const rows = costs.map(({ what, times, commands }) => [
    what,
    times,
    commands.sent / times,
    commands.inner / times,
    (commands.serverMs / times) * 1000,
  ])
  const columns = ['', 'times', 'commands sent', 'inside scripts', "server's CPU, µs"]
  return { tables: [{ title: 'Cost of each, in commands', columns, rows }], aims: [] }
}

type Count = (what: string, times: number, work: () => Promise<unknown>) => Promise<void>

async function readersAndWriters(port: number, count: Count): Promise<void> {
  await withManager(port, async (locks) => {
    const use = async (caller: number): Promise<void> => {
      const mode = caller % 8 === 0 ? 'exclusive' : 'shared'
      const lock = await locks.acquire(`rw:${caller % 4}`, { ...AGENT, mode })
      await lock.release()
    }
    const round = (): Promise<unknown> => Promise.all(Array.from({ length: 64 }, (_, caller) => use(caller)))
    await count('64 callers, 4 resources, 7 readers to a writer', 640, () => repeat(10, round))
  })
}

async function treeOverLeaves(port: number, leaves: number, count: Count): Promise<void> {
  await withManager(port, async (locks) => {
    await holdAll(locks, leaves)
    const what = `acquire and release a free tree beside ${leaves} held leaves`
    await count(what, 50, () => repeat(50, async () => (await locks.acquire('t:other/**', AGENT)).release()))
    if (leaves === 0) return
    const refused = async (): Promise<void> => {
      await locks.acquire('t:held/**', { ...AGENT, waitTimeout: 0 }).catch(() => undefined)
    }
    await count(`be refused a tree over ${leaves} held leaves`, 50, () => repeat(50, refused))
  })
}

async function handOverInLine(port: number, waiters: number, count: Count): Promise<void> {
  await withManager(port, async (locks) => {
    const first = await locks.acquire('line:x', AGENT)
    const line = Array.from({ length: waiters }, () => locks.acquire('line:x', AGENT))
    for (const waiter of line) waiter.catch(() => undefined)
    await untilInLine(locks, 'line:x', waiters)
    let holder: Lock = first
    const turns = Math.min(20, waiters - 1)
    await count(`hand over in a line of ${waiters}`, turns, () =>
      repeat(turns, async () => {
        await holder.release()
        holder = await nextOf(line)
      }),
    )
  })
}

async function nextOf(line: Promise<Lock>[]): Promise<Lock> {
  const next = line.shift()
  if (next === undefined) throw new Error('the line is empty')
  return next
}

async function holdAll(locks: ResourceLockManager, leaves: number): Promise<void> {
  for (let first = 0; first < leaves; first += 256) {
    const some = Array.from({ length: Math.min(256, leaves - first) }, (_, index) => first + index)
    await Promise.all(some.map((leaf) => locks.acquire(`t:held/a${leaf % 100}/b/leaf-${leaf}`, AGENT)))
  }
}

function manyPairs(locks: ResourceLockManager, callers: number): Promise<unknown> {
  return Promise.all(
    Array.from({ length: callers }, async (_, caller) => (await locks.acquire(`c:${caller}`, AGENT)).release()),
  )
}

function eight(): string[] {
  return Array.from({ length: 8 }, (_, index) => `c:eight/${index}`)
}

async function repeat(times: number, work: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) await work()
}

async function withManager(port: number, work: (locks: ResourceLockManager) => Promise<void>): Promise<void> {
  const locks = openManager(port, true)
  await locks.connect()
  try {
    await work(locks)
  } finally {
    await locks.close()
  }
}

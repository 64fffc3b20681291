import { setTimeout as sleep } from 'node:timers/promises'
import type { Lock } from 'holdfast'
import { type Commands, countCommands } from './commands.ts'
import { openAdmin, openManager } from './contenders.ts'

export interface CrowdInput {
  readonly port: number
  readonly leases: number
  readonly seconds: number
}

/** What it takes that one process holds many leases that renew themselves. */
export interface Crowd {
  readonly redisBytes: number
  readonly nodeBytes: number
  /** Of the server and its CPU, while they were held and nothing else happened. */
  readonly commands: Commands
  readonly clientMs: number
  readonly longestStallMs: number
  readonly kept: number
}

const AT_ONCE = 256

/** Holds so many leases for a while. Needs a process with `--expose-gc`. */
export async function holdMany({ port, leases, seconds }: CrowdInput): Promise<Crowd> {
  const admin = openAdmin(port)
  const locks = openManager(port, true)
  await locks.connect()
  const before = { redis: await redisBytes(admin), node: nodeBytes() }
  const held: Lock[] = []
  for (let first = 0; first < leases; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, leases - first) }, (_, index) => `bench:held/${first + index}`)
    held.push(...(await Promise.all(some.map((each) => locks.acquire(each, ASKING)))))
  }
  const after = { redis: await redisBytes(admin), node: nodeBytes() }
  const cpu = process.cpuUsage()
  let longestStallMs = 0
  const commands = await countCommands(admin, async () => {
    longestStallMs = await stallWithin(seconds * 1000)
  })
  const used = process.cpuUsage(cpu)
  const kept = held.filter(({ isHeld }) => isHeld).length
  await locks.close()
  admin.disconnect()
  return {
    redisBytes: (after.redis - before.redis) / leases,
    nodeBytes: (after.node - before.node) / leases,
    commands,
    clientMs: (used.user + used.system) / 1000,
    longestStallMs,
    kept,
  }
}

const ASKING = { agentId: 'bench', timeout: '30s', autoExtend: true } as const

async function redisBytes(admin: ReturnType<typeof openAdmin>): Promise<number> {
  return Number(/^used_memory:(\d+)/mu.exec(await admin.info('memory'))?.[1])
}

function nodeBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function stallWithin(ms: number): Promise<number> {
  const end = performance.now() + ms
  let longest = 0
  while (performance.now() < end) {
    const asked = performance.now()
    await sleep(5)
    longest = Math.max(longest, performance.now() - asked - 5)
  }
  return longest
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { ResourceLockManager } from 'holdfast'

export interface HandOverInput {
  readonly count: number
  /** How long each holds: the next one is in line by then, and its process sleeps. */
  readonly holdMs: number
}

/** One hold of the resource that goes from process to process, by a clock that all of them share. */
export interface HandOver {
  readonly fence: number
  readonly grantedAt: number
  readonly releasedAt: number
}

/** Takes the one resource again and again, in turn with others. */
export async function handOver(locks: ResourceLockManager, { count, holdMs }: HandOverInput): Promise<HandOver[]> {
  const holds: HandOver[] = []
  for (let turn = 0; turn < count; turn += 1) {
    const lock = await locks.acquire('bench:handed-over', { agentId: 'bench', waitTimeout: 'forever' })
    const grantedAt = sharedMs()
    await sleep(holdMs)
    const releasedAt = sharedMs()
    await lock.release()
    holds.push({ fence: lock.fencingToken, grantedAt, releasedAt })
  }
  return holds
}

/** Milliseconds on the machine's own clock. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

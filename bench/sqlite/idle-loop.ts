import { setTimeout as sleep } from 'node:timers/promises'
import type { ResourceLockManager } from 'holdfast'

export interface IdleInput {
  readonly what: 'nothing' | 'hold' | 'renew' | 'wait' | 'wait100' | 'watch'
  readonly ms: number
}

/** @returns which share of a core this process used meanwhile */
export async function cpuOf(locks: ResourceLockManager, { what, ms }: IdleInput): Promise<number> {
  const stop = new AbortController()
  const ends = [...START[what](locks, stop.signal)]
  // What starting costs is not what idling costs.
  await sleep(700)
  const [before, startMs] = [process.cpuUsage(), performance.now()]
  await sleep(ms)
  const used = process.cpuUsage(before)
  const share = (used.user + used.system) / 1000 / (performance.now() - startMs)
  stop.abort()
  await Promise.allSettled(ends)
  return share
}

const START: Readonly<
  Record<IdleInput['what'], (locks: ResourceLockManager, signal: AbortSignal) => Iterable<Promise<unknown>>>
> = {
  nothing: () => [],
  hold: (locks, signal) => [holdUntil(locks, signal, false)],
  renew: (locks, signal) => [holdUntil(locks, signal, true)],
  wait: (locks, signal) => [waitInVain(locks, signal)],
  wait100: (locks, signal) => Array.from({ length: 100 }, () => waitInVain(locks, signal)),
  watch: (locks, signal) => [watchUntil(locks, signal)],
}

async function holdUntil(locks: ResourceLockManager, signal: AbortSignal, autoExtend: boolean): Promise<void> {
  const resource = autoExtend ? 'bench:renewed' : 'bench:idle'
  // The shortest lease that is renewed more often than the heartbeat beats.
  const timeout = autoExtend ? '3s' : '1m'
  const lock = await locks.acquire(resource, { agentId: 'bench', timeout, autoExtend })
  await aborted(signal)
  await lock.release()
}

async function waitInVain(locks: ResourceLockManager, signal: AbortSignal): Promise<void> {
  // Behind the holder, which another process starts at the same time.
  await sleep(300)
  await locks.acquire('bench:idle', { agentId: 'bench', waitTimeout: 'forever', signal })
}

async function watchUntil(locks: ResourceLockManager, signal: AbortSignal): Promise<void> {
  for await (const event of locks.watch({ signal })) void event
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

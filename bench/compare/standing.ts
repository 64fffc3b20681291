import type { ResourceLockManager } from 'holdfast'

/** Counting stops here. */
const COUNTED = 1000

/** Resolves once so many who have called `acquire` before stand in the line. */
export async function untilInLine(locks: ResourceLockManager, resource: string, waiters: number): Promise<void> {
  for (;;) {
    const info = await locks.getLockInfo(resource)
    if ((info?.waiters ?? 0) >= Math.min(waiters, COUNTED)) break
  }
  // By now all of them are on their way, and this comes behind them.
  await locks.getLockInfo(resource)
}

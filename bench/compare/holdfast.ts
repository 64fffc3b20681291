import type { ResourceLockManager } from 'holdfast'
import type { Opened } from './contender.ts'

/** Holdfast as a contender, over whatever store the manager has. */
export async function openHoldfast(locks: ResourceLockManager): Promise<Opened> {
  await locks.connect()
  return {
    async acquire(resource) {
      const lock = await locks.acquire(resource, { agentId: 'bench', timeout: '30s', waitTimeout: 'forever' })
      return () => lock.release()
    },
    close: () => locks.close(),
  }
}

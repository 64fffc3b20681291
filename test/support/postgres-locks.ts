import { randomUUID } from 'node:crypto'
import { beforeEach } from 'vitest'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import { manager } from './managers.ts'
import { until } from './polling.ts'

let namespace = ''
beforeEach(() => {
  namespace = randomUUID()
})

/** A manager with connections of its own, in the present test's namespace; closed after the test. */
export function postgresLocks(
  where: Parameters<typeof postgresStore>[0],
  options: Omit<ManagerOptions, 'store'> & { readonly store?: Parameters<typeof postgresStore>[1] } = {},
): ResourceLockManager {
  const { store, ...others } = options
  return manager({ store: postgresStore(where, store), namespace, heartbeat: '200ms', ...others })
}

/** Asks for what somebody holds, and resolves with the wait once it stands in line. */
export async function standingInLine(
  locks: ResourceLockManager,
  resource: string,
  place: number,
): Promise<() => Promise<Lock>> {
  const wait = locks.acquire(resource, { agentId: `waiter-${place}`, timeout: '1h', waitTimeout: 'forever' })
  // Whoever awaits it later is told; a test that has failed meanwhile is not failed once more.
  wait.catch(() => undefined)
  await until(`${place} wait for ${resource}`, async () => (await locks.getLockInfo(resource))?.waiters === place)
  return () => wait
}

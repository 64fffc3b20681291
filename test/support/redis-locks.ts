import { randomUUID } from 'node:crypto'
import { beforeEach, onTestFinished } from 'vitest'
import type { LockLostError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { AcquireOptions } from '../../src/core/lock/request.ts'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { redisStore } from '../../src/stores/redis/index.ts'
import { manager } from './managers.ts'
import { until } from './polling.ts'
import { RedisServer, type RedisServerOptions } from './redis-server.ts'

let namespace = ''
beforeEach(() => {
  namespace = randomUUID()
})

/** The namespace of the present test: what others have left on a shared server is not in it. */
export function presentNamespace(): string {
  return namespace
}

/** A server for the present test alone. It outlives the test's managers, which say goodbye to it. */
export async function ownServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options)
  onTestFinished(() => server.stop())
  return server
}

/** A manager with connections of its own, in the present test's namespace; closed after the test. */
export function redisLocks(
  where: Parameters<typeof redisStore>[0],
  options: Omit<ManagerOptions, 'store'> & { readonly store?: Parameters<typeof redisStore>[1] } = {},
): ResourceLockManager {
  const { store, ...others } = options
  return manager({ store: redisStore(where, store), namespace, heartbeat: '200ms', ...others })
}

/** Each asks for the resource, which somebody holds, once the one before stands in line. */
export async function inLine(
  asking: readonly ResourceLockManager[],
  resource: string,
  options: Partial<AcquireOptions> = {},
): Promise<Promise<Lock>[]> {
  const waits: Promise<Lock>[] = []
  for (const [index, locks] of asking.entries()) {
    const wait = locks.acquire(resource, { agentId: `waiter-${index}`, waitTimeout: 'forever', ...options })
    // Whoever awaits it later is told; a test that has failed meanwhile is not failed once more.
    wait.catch(() => {})
    waits.push(wait)
    await until(`${index + 1} wait for ${resource}`, async () => (await waitersFor(locks, resource)) === index + 1)
  }
  return waits
}

async function waitersFor(locks: ResourceLockManager, resource: string): Promise<number> {
  return (await locks.getLockInfo(resource))?.waiters ?? 0
}

/** Resolves with why the lock was lost, once its holder was told. */
export async function lossOf(lock: Lock): Promise<LockLostError> {
  await until('the loss is told', () => lock.signal.aborted)
  return lock.signal.reason as LockLostError
}

/** One after the other gets the lock and releases it. Gives the fencing tokens in that order. */
export async function servedInOrder(waits: readonly Promise<Lock>[]): Promise<number[]> {
  const fences: number[] = []
  for (const wait of waits) {
    const lock = await wait
    fences.push(lock.fencingToken)
    await lock.release()
  }
  return fences
}

/** Whoever gets it releases it, in whatever order. Gives the fencing tokens in the order of the grants. */
export async function servedInAnyOrder(waits: readonly Promise<Lock>[]): Promise<number[]> {
  const fences: number[] = []
  await Promise.all(
    waits.map(async (wait) => {
      const lock = await wait
      fences.push(lock.fencingToken)
      await lock.release()
    }),
  )
  return fences
}

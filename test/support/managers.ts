import { Registry } from 'prom-client'
import { afterEach } from 'vitest'
import { isResourceLockError, type ResourceLockError } from '../../src/core/errors.ts'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { LockEvent } from '../../src/core/model.ts'
import { EventBus } from '../../src/core/reporting/eventbus.ts'
import type { StoreDriver } from '../../src/core/store.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'

const opened: ResourceLockManager[] = []

/** Closes what the test has opened. */
afterEach(async () => {
  await Promise.all(opened.splice(0).map((locks) => locks.close()))
})

/** A manager on a memory store of its own, closed after the test. */
export function manager(options: ManagerOptions = {}): ResourceLockManager {
  const locks = new ResourceLockManager({ store: memoryStore(), metrics: false, eventBus: new EventBus(), ...options })
  opened.push(locks)
  return locks
}

/** Managers that share one memory store. */
export function managers(count: number, options: ManagerOptions = {}): ResourceLockManager[] {
  const store = memoryStore()
  return Array.from({ length: count }, () => manager({ store, ...options }))
}

/** A manager, the events on its bus, and its metrics. */
export function observed(options: ManagerOptions = {}): {
  locks: ResourceLockManager
  events: LockEvent[]
  registry: Registry
} {
  const eventBus = new EventBus()
  const events: LockEvent[] = []
  eventBus.subscribe('*', (event) => void events.push(event))
  const registry = new Registry()
  return { locks: manager({ eventBus, registry, metrics: true, ...options }), events, registry }
}

/** What a call rejects with. It must be a rejection: a call that throws at once fails the test. */
export async function failure(call: () => Promise<unknown>): Promise<ResourceLockError> {
  const promise = call()
  try {
    await promise
  } catch (error) {
    if (isResourceLockError(error)) return error
    throw error
  }
  throw new Error('The call did not fail.')
}

/** A store whose opening fails so many times. */
export function failingDriver(times: number, error: Error): StoreDriver {
  const driver = memoryStore()
  let left = times
  return {
    open: async (namespace) => {
      left -= 1
      if (left >= 0) throw error
      return driver.open(namespace)
    },
  }
}

/** Resolves once so many claims wait for a resource that somebody holds. */
export async function waitersOf(locks: ResourceLockManager, resource: string, count: number): Promise<void> {
  for (;;) {
    const info = await locks.getLockInfo(resource)
    if ((info?.waiters ?? 0) >= count) return
    await new Promise((resolve) => void setImmediate(resolve))
  }
}

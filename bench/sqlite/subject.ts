import { join } from 'node:path'
import { EventBus, ResourceLockManager } from 'holdfast'
import { Registry } from 'prom-client'
import { SqliteFloor } from './floor.ts'

/** What a worker has open. */
export interface Subject {
  readonly name: string
  readonly floor: SqliteFloor
  readonly locks: ResourceLockManager
}

/** Opens the files as most will: with metrics, and somebody who listens to every event. */
export async function openSubject(folder: string, name: string): Promise<Subject> {
  const locks = new ResourceLockManager({
    store: `sqlite:${join(folder, 'locks.db')}`,
    eventBus: busWithListener(),
    registry: new Registry(),
  })
  await locks.connect()
  return { name, floor: new SqliteFloor(join(folder, 'floor.db')), locks }
}

/** Acquires and releases. */
export async function lockPair(locks: ResourceLockManager, resource: string): Promise<void> {
  const lock = await locks.acquire(resource, { agentId: 'bench', waitTimeout: 'forever' })
  await lock.release()
}

function busWithListener(): EventBus {
  const eventBus = new EventBus()
  let heard = 0
  eventBus.subscribe('*', () => {
    heard += 1
  })
  return eventBus
}

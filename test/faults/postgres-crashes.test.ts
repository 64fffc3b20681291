import { afterEach, describe, expect, test } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import type { SynchronousCommit } from '../../src/stores/postgres/index.ts'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { postgresLocks } from '../support/postgres-locks.ts'
import { PostgresServer, type PostgresServerOptions } from '../support/postgres-server.ts'
import { RedisServer } from '../support/redis-server.ts'

const ROUNDS = 3
/** A commit that is not waited for stays in memory for this long, and is lost with it. */
const LAZY = { wal_writer_delay: '10s' } as const

const registers = await RedisServer.start()

const servers: PostgresServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.dispose()
})

async function ownServer(options?: PostgresServerOptions): Promise<PostgresServer> {
  const server = await PostgresServer.start(options)
  servers.push(server)
  return server
}

function managersAt(server: PostgresServer, synchronousCommit: SynchronousCommit): ResourceLockManager[] {
  // Nobody is taken for dead while the server recovers.
  return [1, 2, 3].map(() => postgresLocks(server.url(), { heartbeat: '2s', store: { synchronousCommit } }))
}

/** Acquires one resource after the other, each for an hour, until the store does not answer. */
async function grabbing(locks: ResourceLockManager, name: string, granted: Lock[]): Promise<void> {
  for (let count = 0; ; count += 1) {
    try {
      granted.push(await locks.acquire(`grabbed:${name}/${count}`, { agentId: name, timeout: '1h', waitTimeout: 0 }))
    } catch (error) {
      if (isResourceLockError(error, 'UNAVAILABLE')) return
      throw error
    }
  }
}

/** All grants that were acknowledged up to a crash in the middle of them. */
async function grantedUntilCrash(server: PostgresServer, managers: readonly ResourceLockManager[]): Promise<Lock[]> {
  const granted: Lock[] = []
  const grabbers = managers.map((locks, index) => grabbing(locks, `grabber-${index}`, granted))
  await until('some are granted', () => granted.length >= 60, 30_000)
  await server.crash()
  await Promise.all(grabbers)
  await server.start()
  return granted
}

/** Whether the lease stands at the store. */
async function stands(locks: ResourceLockManager, lock: Lock): Promise<boolean> {
  const info = await locks.getLockInfo(lock.resources[0]?.resourceId ?? '')
  return info?.fencingToken === lock.fencingToken
}

// The option of the store counts, not the setting of the server, which says the opposite.
describe('a server that is killed, where a commit is waited for', () => {
  test('keeps every grant that it has acknowledged', { timeout: 90_000 }, async () => {
    const server = await ownServer({ settings: { ...LAZY, synchronous_commit: 'off' } })
    const managers = managersAt(server, 'on')
    const granted = await grantedUntilCrash(server, managers)
    const [locks] = managers
    if (locks === undefined) throw new Error('There is no manager.')
    for (const lock of granted) {
      expect(await stands(locks, lock)).toBe(true)
      await lock.extend('1h')
    }
    const next = await locks.acquire('r:next', { agentId: 'next' })
    expect(next.fencingToken).toBeGreaterThan(Math.max(...granted.map((lock) => lock.fencingToken)))
  })

  test('again and again under load, loses no write and leaves nobody behind', { timeout: 90_000 }, async () => {
    const server = await ownServer({ settings: { ...LAZY, synchronous_commit: 'off' } })
    const load = await LockLoad.start(managersAt(server, 'on'), registers.port)
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.turns(3)
      await server.crash()
      await server.start()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('a server that is killed, where no commit is waited for', () => {
  test('tells the holders what it has lost, and gives no token twice', { timeout: 90_000 }, async () => {
    const server = await ownServer({ settings: LAZY })
    const managers = managersAt(server, 'off')
    const granted = await grantedUntilCrash(server, managers)
    const [locks] = managers
    if (locks === undefined) throw new Error('There is no manager.')
    await until('every holder whose lease is gone knows it', async () => {
      for (const lock of granted) if (lock.isHeld && !(await stands(locks, lock))) return false
      return true
    })
    const lost = granted.filter((lock) => !lock.isHeld)
    expect(lost.length).toBeGreaterThan(0)
    const highest = Math.max(...granted.map((lock) => lock.fencingToken))
    for (const each of managers) {
      const next = await each.acquire('r:next', { agentId: 'next' })
      expect(next.fencingToken).toBeGreaterThan(highest)
      await next.release()
    }
  })

  test('again and again under load, lets no loser write and leaves nobody behind', { timeout: 90_000 }, async () => {
    const server = await ownServer({ settings: LAZY })
    const load = await LockLoad.start(managersAt(server, 'off'), registers.port, true)
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.turns(3)
      await server.crash()
      await server.start()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

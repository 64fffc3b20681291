import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ResourceLockManager } from '../../src/open.ts'
import type { StoreHarness } from '../../src/testing/index.ts'
import { GuardedRegister } from '../support/guarded-register.ts'
import { manager } from '../support/managers.ts'
import { drivenPostgres } from '../support/postgres-store.ts'
import { drivenRedis, sharedServer } from '../support/redis-table.ts'

const MINUTE_MS = 60_000

/** Stores whose leases run by a server's wall clock, which the test sets. */
const STORES = { Redis: drivenRedis(), Postgres: drivenPostgres('holdfast_clocks') }

function managerOn(harness: StoreHarness): ResourceLockManager {
  return manager({ store: { open: () => harness.connect() } })
}

describe.each(Object.entries(STORES))('a clock of the %s server', (_name, makeHarness) => {
  test('that is set ahead ends leases early: the guard refuses the first holder, who is told', async () => {
    const harness = await makeHarness({ limits: {} })
    const register = await GuardedRegister.open((await sharedServer()).port, randomUUID())
    const [first, second] = [managerOn(harness), managerOn(harness)]
    const early = await first.acquire('file:x', { agentId: 'first', timeout: '60s' })
    expect(await register.enter(early.fencingToken)).toBe(true)

    await harness.advance?.(60 * MINUTE_MS)
    const next = await second.acquire('file:x', { agentId: 'second', waitTimeout: 0 })
    expect(next.fencingToken).toBeGreaterThan(early.fencingToken)
    expect(await register.addOne(next.fencingToken)).toBe(true)
    expect(await register.write(early.fencingToken, 100)).toBe(false)
    await expect(early.extend('60s')).rejects.toMatchObject({ code: 'LOST' })
    expect([await register.read(), early.isHeld, next.isHeld]).toEqual([1, false, true])
    register.close()
  })

  test('that is set back ends no lease and gives none twice, and tokens go on rising', async () => {
    const harness = await makeHarness({ limits: {} })
    const [first, second] = [managerOn(harness), managerOn(harness)]
    const held = await first.acquire('file:x', { agentId: 'first', timeout: '60s' })

    await harness.advance?.(-10 * MINUTE_MS)
    expect(await second.tryAcquire('file:x', { agentId: 'second' })).toBeNull()
    expect(await held.extend('60s')).toBeUndefined()
    expect(await held.release()).toBe(true)
    const next = await second.acquire('file:x', { agentId: 'second', waitTimeout: 0 })
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await next.release()).toBe(true)
  })
})

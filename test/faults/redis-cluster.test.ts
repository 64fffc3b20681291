import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { LockLoad } from '../support/lock-load.ts'
import { RedisCluster } from '../support/redis-cluster.ts'
import { inLine, presentNamespace, redisLocks, servedInOrder } from '../support/redis-locks.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
const PATIENT = { heartbeat: '2s' } as const

const [registers, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()])
const url = `redis://${cluster.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}?cluster=true`

/** Where all keys of the present test's namespace are. */
function slot(): Promise<number> {
  return cluster.slotOf(`{${presentNamespace()}}`)
}

describe('a slot that moves', () => {
  test('takes leases, lines and subscriptions with it', { timeout: 30_000 }, async () => {
    const [a, b, c] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await cluster.migrate(await slot(), await cluster.strangerTo(await slot()))
    held.assertHeld()
    expect(await held.release()).toBe(true)
    const fences = await servedInOrder(waits)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
    expect(fences[0]).toBeGreaterThan(held.fencingToken)
  })

  test('is followed by those who wait, also when they do not send anything', { timeout: 30_000 }, async () => {
    const [a, b] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    for (let round = 0; round < 3; round += 1) {
      const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
      const [wait] = await inLine([b], 'r:x', LONG)
      await cluster.migrate(await slot(), await cluster.strangerTo(await slot()))
      expect(await held.release()).toBe(true)
      const next = await wait
      expect(next?.fencingToken).toBeGreaterThan(held.fencingToken)
      await next?.release()
    }
  })

  test('under load, there and back, costs nobody anything but time', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(url, PATIENT), redisLocks(url, PATIENT)], registers.port)
    for (let round = 0; round < 4; round += 1) {
      await load.turns(2)
      await cluster.migrate(await slot(), await cluster.strangerTo(await slot()))
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [], losses: 0 })
  })

  test.each([
    ['the first by name first', (keys: readonly string[]) => keys.toSorted()],
    ['the last by name first', (keys: readonly string[]) => keys.toSorted().toReversed()],
  ])('key by key, %s, shows nobody a half of what is stored', { timeout: 30_000 }, async (_, inOrder) => {
    const [a, b, c] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    await (await c.acquire('r:warm', { agentId: 'c' })).release()
    const held = await a.acquire(['r:x', 'r:tree/**'], { agentId: 'a', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    const migration = await cluster.beginMigration(await slot(), await cluster.strangerTo(await slot()))
    const asked: Promise<unknown>[] = []
    for (const key of inOrder(await migration.left())) {
      await migration.move(key)
      for (const resource of ['r:tree/leaf', 'r:**']) {
        const asking = c.tryAcquire(resource, { agentId: 'c' }).catch((error: unknown) => error)
        asked.push(asking)
        await Promise.race([asking, sleep(50)])
      }
    }
    await migration.finish()
    // Whoever asked meanwhile may have had to wait until the slot was whole again, but was given nothing that is held.
    for (const answer of await Promise.all(asked)) expect(answer === null || answer instanceof Error).toBe(true)
    held.assertHeld()
    expect(await c.getOwner('r:tree/leaf')).toBe('a')
    expect(await held.release()).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
    await expect(c.acquire('r:tree/leaf', { agentId: 'c' })).resolves.toMatchObject({ isHeld: true })
  })

  test('key by key under load, loses no write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start([redisLocks(url, PATIENT), redisLocks(url, PATIENT)], registers.port)
    for (let round = 0; round < 2; round += 1) {
      await load.turns(2)
      const migration = await cluster.beginMigration(await slot(), await cluster.strangerTo(await slot()))
      for (let [key] = await migration.left(); key !== undefined; [key] = await migration.left()) {
        await migration.move(key)
        await sleep(20)
      }
      await migration.finish()
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

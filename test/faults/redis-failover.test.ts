import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { inLine, lossOf, redisLocks, servedInAnyOrder } from '../support/redis-locks.ts'
import { PRIMARY_NAME, RedisSentinels } from '../support/redis-sentinel.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
/** Nobody is taken for dead during a fail-over, which takes about two seconds. */
const PATIENT = { heartbeat: '2s' } as const

const registers = await RedisServer.start()
let sentinels: RedisSentinels
let url: string
beforeEach(async () => {
  sentinels = await RedisSentinels.start(1)
  onTestFinished(() => sentinels.stop())
  url = `redis://${sentinels.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}?sentinel=${PRIMARY_NAME}`
})

/** Everything that the primary has is on the replica too. */
async function replicated(primary: RedisServer): Promise<void> {
  const [, replica] = sentinels.servers
  await until('the replica has it all', async () => {
    const [from, to] = await Promise.all([primary.info('replication'), replica?.info('replication')])
    return from.get('master_repl_offset') === to?.get('slave_repl_offset')
  })
}

describe('a fail-over', () => {
  test('to a replica that has it all keeps leases and lines', { timeout: 40_000 }, async () => {
    const primary = await sentinels.primary()
    const [a, b] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    await replicated(primary)
    await primary.kill()
    await sentinels.untilElectedAfter(primary)
    await until('the new primary is asked', async () => (await a.getOwner('r:x')) === 'a')
    held.assertHeld()
    expect(await held.release()).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
  })

  test('that forgets grants tells their holders, and tokens keep rising', { timeout: 40_000 }, async () => {
    const primary = await sentinels.primary()
    const [a, b, c] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    const old = await a.acquire('r:old', { agentId: 'a', ...LONG })
    await replicated(primary)
    const restore = await sentinels.stopReplication()
    const late = await a.acquire('r:late', { agentId: 'a', ...LONG })
    const unknown = await b.acquire('r:unknown', { agentId: 'b', ...LONG })
    await primary.kill()
    await sentinels.untilElectedAfter(primary)
    await restore()
    expect((await lossOf(late)).code).toBe('LOST')
    expect((await lossOf(unknown)).code).toBe('LOST')
    const lateAgain = await c.acquire('r:late', { agentId: 'c', ...LONG })
    const unknownAgain = await c.acquire('r:unknown', { agentId: 'c', ...LONG })
    expect(lateAgain.fencingToken).toBeGreaterThan(late.fencingToken)
    expect(unknownAgain.fencingToken).toBeGreaterThan(unknown.fencingToken)
    expect(await late.release()).toBe(false)
    old.assertHeld()
    expect(await c.getOwner('r:old')).toBe('a')
  })

  test('forgets no grant that replicas had to confirm', { timeout: 40_000 }, async () => {
    const primary = await sentinels.primary()
    const store = { waitForReplicas: { count: 1, timeout: '1s' } } as const
    const [a, b] = [redisLocks(url, { ...PATIENT, store }), redisLocks(url, PATIENT)]
    const held = await Promise.all([1, 2, 3].map((i) => a.acquire(`r:${i}`, { agentId: 'a', ...LONG })))
    await primary.kill()
    await sentinels.untilElectedAfter(primary)
    await until('the new primary is asked', async () => (await b.getOwner('r:1')) === 'a')
    expect(await Promise.all(held.map((lock) => lock.release()))).toEqual([true, true, true])
  })

  test('that forgets a line serves everybody in it', { timeout: 40_000 }, async () => {
    const primary = await sentinels.primary()
    const [a, b, c] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '8s', waitTimeout: 'forever' })
    await replicated(primary)
    const restore = await sentinels.stopReplication()
    const waits = await inLine([b, c], 'r:x', LONG)
    await primary.kill()
    await sentinels.untilElectedAfter(primary)
    await restore()
    const served = servedInAnyOrder(waits)
    await held.release()
    const fences = await served
    expect(fences).toHaveLength(2)
    for (const fence of fences) expect(fence).toBeGreaterThan(held.fencingToken)
  })

  test('under load lets no loser write and leaves nobody behind', { timeout: 60_000 }, async () => {
    const primary = await sentinels.primary()
    const load = await LockLoad.start([redisLocks(url), redisLocks(url)], registers.port, true)
    await load.turns(3)
    const restore = await sentinels.stopReplication()
    await load.turns(3)
    await primary.kill()
    await sentinels.untilElectedAfter(primary)
    await restore()
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })

  test('while the old primary stands still, lets nobody write who was granted by it', { timeout: 60_000 }, async () => {
    const primary = await sentinels.primary()
    const load = await LockLoad.start([redisLocks(url), redisLocks(url)], registers.port, true)
    await load.turns(3)
    primary.freeze()
    await sentinels.untilElectedAfter(primary)
    // It wakes up in the belief that it is the primary still, until a sentinel tells it.
    primary.thaw()
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })

  test('that is ordered costs nobody anything but time', { timeout: 40_000 }, async () => {
    const primary = await sentinels.primary()
    const [a, b] = [redisLocks(url, PATIENT), redisLocks(url, PATIENT)]
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const [wait] = await inLine([b], 'r:x', LONG)
    await sentinels.failOver()
    await sentinels.untilElectedAfter(primary)
    expect(await held.release()).toBe(true)
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
  })
})

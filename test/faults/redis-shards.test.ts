import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { redisStore } from '../../src/stores/redis/index.ts'
import { layoutOf } from '../../src/stores/redis/layout.ts'
import { hashRouting } from '../../src/stores/redis/sharding/routing.ts'
import { manager } from '../support/managers.ts'
import { until } from '../support/polling.ts'
import { RedisCluster, type RedisClusterOptions } from '../support/redis-cluster.ts'
import type { RedisServer } from '../support/redis-server.ts'

const SHARDS = 2
const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
const FAR = { timeout: 120_000 } as const
/** A fail-over takes about three seconds here, and more on a busy machine. */
const FAILOVER_MS = 40_000

const routing = hashRouting(SHARDS)

/** A resource of each shard. */
const [near, far] = [0, 1].map((shard) => {
  const ids = Array.from({ length: 100 }, (_, index) => `x:p${index}`)
  return ids.find((resourceId) => routing.shardOf({ resourceId, scope: 'node' }) === shard) ?? ''
}) as [string, string]

/** A namespace whose two shards are on two servers. */
interface Spread {
  readonly cluster: RedisCluster
  /** Of the shards of {@link near} and {@link far}. */
  readonly primaries: readonly [RedisServer, RedisServer]
  readonly open: (options?: Omit<ManagerOptions, 'store' | 'namespace'>) => ResourceLockManager
}

async function spread(options: RedisClusterOptions): Promise<Spread> {
  const cluster = await RedisCluster.start(options)
  onTestFinished(() => cluster.stop())
  const url = `redis://${cluster.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}?cluster=true`
  for (;;) {
    const namespace = randomUUID()
    const ownerOf = async (shard: number): Promise<RedisServer> => {
      const { key } = layoutOf(`${shard}/${SHARDS}/${namespace}`, 'holdfast:shards')
      return cluster.ownerOf(await cluster.slotOf(key))
    }
    const primaries = [await ownerOf(0), await ownerOf(1)] as const
    // What is noted of the namespace as a whole is in a third slot: on the server that stays.
    const { key } = layoutOf(namespace)
    if (primaries[0] === primaries[1] || (await cluster.ownerOf(await cluster.slotOf(key))) !== primaries[0]) continue
    const open: Spread['open'] = (given) => {
      return manager({ store: redisStore(url, { shards: SHARDS }), namespace, heartbeat: '2s', ...given })
    }
    return { cluster, primaries, open }
  }
}

/** Everybody stands in line behind what somebody holds. */
async function inLine(locks: ResourceLockManager, resources: readonly string[]): Promise<readonly Promise<Lock>[]> {
  const waits = resources.map((resource) => locks.acquire(resource, { agentId: 'waiter', ...LONG }))
  for (const wait of waits) wait.catch(() => undefined)
  await until('all wait', async () =>
    (await Promise.all(resources.map((resource) => locks.getLockInfo(resource)))).every((info) => info?.waiters === 1),
  )
  return waits
}

/** Everything that a primary has is on its replica too. */
async function replicated(primary: RedisServer, replica: RedisServer): Promise<void> {
  await until('the replica has it all', async () => {
    const [from, to] = await Promise.all([primary.info('replication'), replica.info('replication')])
    return from.get('master_repl_offset') === to.get('slave_repl_offset')
  })
}

/** The primary is killed; resolves once its replica has taken its place. */
async function failOver(primary: RedisServer, replica: RedisServer): Promise<void> {
  await primary.kill()
  const isPrimary = async (): Promise<boolean> => (await replica.info('replication')).get('role') === 'master'
  await until('the replica is elected', isPrimary, FAILOVER_MS)
}

/** The replica follows nobody any more, and does not know that. */
async function cutOff(primary: RedisServer, replica: RedisServer): Promise<void> {
  await replica.command('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'nobody')
  await primary.command('CLIENT', 'KILL', 'TYPE', 'replica')
  await until('no replica follows', async () => {
    return (await primary.info('replication')).get('connected_slaves') === '0'
  })
}

describe('a fail-over of one shard of a Cluster', () => {
  const options = { replicas: 1, config: ['cluster-replica-validity-factor 0'] }

  test('to a replica that has it all keeps leases and lines in all shards', FAR, async () => {
    const { cluster, primaries, open } = await spread(options)
    const [, lost] = primaries
    const [a, b] = [open(), open()]
    const held = [await a.acquire(near, { agentId: 'a', ...LONG }), await a.acquire(far, { agentId: 'a', ...LONG })]
    const waits = await inLine(b, [near, far])
    await replicated(lost, cluster.replicaOf(lost))
    await failOver(lost, cluster.replicaOf(lost))
    await until('the new primary is asked', async () => (await a.getOwner(far)) === 'a', FAILOVER_MS)
    for (const lock of held) lock.assertHeld()
    for (const lock of held) expect(await lock.release()).toBe(true)
    for (const [index, wait] of waits.entries()) {
      expect((await wait).fencingToken).toBeGreaterThan(held[index]?.fencingToken ?? Infinity)
    }
  })

  test('that forgets grants and a line tells the holders, and serves whoever waits', FAR, async () => {
    const { cluster, primaries, open } = await spread(options)
    const [, lost] = primaries
    const [a, b, c] = [open(), open(), open()]
    const kept = await a.acquire(near, { agentId: 'a', ...LONG })
    const old = await a.acquire(far, { agentId: 'a', ...LONG })
    await replicated(lost, cluster.replicaOf(lost))
    await cutOff(lost, cluster.replicaOf(lost))
    const late = await b.acquire(`${far}/late`, { agentId: 'b', ...LONG })
    const waits = await inLine(c, [near, far])
    await failOver(lost, cluster.replicaOf(lost))
    await until('the loss is told', () => late.signal.aborted, FAILOVER_MS)
    expect(late.signal.reason).toMatchObject({ code: 'LOST' })
    await until('the new primary is asked', async () => (await a.getOwner(far)) === 'a', FAILOVER_MS)
    for (const lock of [kept, old]) lock.assertHeld()
    const again = await a.acquire(`${far}/late`, { agentId: 'a', ...LONG })
    expect(again.fencingToken).toBeGreaterThan(late.fencingToken)
    for (const lock of [kept, old]) expect(await lock.release()).toBe(true)
    for (const wait of waits) (await wait).assertHeld()
  })
})

describe('a shard that does not answer', () => {
  // Nobody is to take its place: it is only away for a while.
  const options = { config: ['cluster-node-timeout 60000'] }

  test('holds up those who have to do with it, for a time, and nobody else', FAR, async () => {
    const { primaries, open } = await spread(options)
    const [, away] = primaries
    const [both, one] = [open(), open()]
    const short = await both.acquire(near, { agentId: 'both', timeout: '1s' })
    const long = await both.acquire(far, { agentId: 'both', ...LONG })
    // This one has never asked for anything in the other shard.
    await (await one.acquire(`${near}/apart`, { agentId: 'one' })).release()
    away.freeze()
    try {
      // Told in time that there is no answer, rather than left waiting.
      await expect(both.acquire(`${far}/new`, { agentId: 'both' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      // What it holds elsewhere ends at its deadline, at the store and in its own eyes.
      await until('the loss is told', () => short.signal.aborted)
      expect(short.signal.reason).toMatchObject({ code: 'LOST' })
      const next = await one.acquire(near, { agentId: 'one', waitTimeout: '10s' })
      expect(next.fencingToken).toBeGreaterThan(short.fencingToken)
      expect(await next.release()).toBe(true)
    } finally {
      away.thaw()
    }
    await until('it answers again', async () => (await both.getOwner(far)) === 'both', FAILOVER_MS)
    long.assertHeld()
    expect(await long.release()).toBe(true)
    await expect(both.acquire(near, { agentId: 'both' })).resolves.toMatchObject({ isHeld: true })
  })
})

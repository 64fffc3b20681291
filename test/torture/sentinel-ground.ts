import { until } from '../support/polling.ts'
import { PRIMARY_NAME, RedisSentinels } from '../support/redis-sentinel.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { type Fault, rest } from './fault.ts'
import type { Ground } from './ground.ts'

const REPLICAS = 2

/** Shorter than it takes sentinels to miss a server. */
const BEHIND_MS = 300

const SETTLE_MS = 30_000

/** A primary, replicas and sentinels. A fail-over may forget what had not been replicated. */
export async function sentinelGround(): Promise<Ground> {
  const sentinels = await RedisSentinels.start(REPLICAS)
  const hosts = sentinels.addresses.map(({ host, port }) => `${host}:${port}`).join(',')
  const url = `redis://${hosts}?sentinel=${PRIMARY_NAME}`
  const base = { losesData: true, isOutage: true } as const
  const faults: readonly Fault[] = [
    { ...base, kind: 'failover', name: 'promote a replica that is behind', strike: () => loseTail(sentinels) },
    { ...base, kind: 'partition', name: 'have two primaries for a moment', strike: () => doublePrimary(sentinels) },
    {
      kind: 'disconnect',
      name: 'kill all connections to the primary',
      losesData: false,
      isOutage: true,
      strike: () => disconnect(sentinels),
    },
  ]
  return {
    description: `Redis, a primary with ${REPLICAS} replicas and three sentinels`,
    workerUrl: url,
    runnerUrl: url,
    faults,
    stop: () => sentinels.stop(),
  }
}

/** The replicas stand still for a moment, so that they miss the last grants, and then the primary dies. */
async function loseTail(sentinels: RedisSentinels): Promise<string> {
  const old = await sentinels.primary()
  const replicas = sentinels.servers.filter((server) => server !== old)
  for (const replica of replicas) replica.freeze()
  await rest(BEHIND_MS, new AbortController().signal)
  await old.kill()
  for (const replica of replicas) replica.thaw()
  const promoted = await sentinels.untilElectedAfter(old)
  await old.restart()
  await untilFollowing(old, promoted)
  return `the primary was killed ${BEHIND_MS} ms ahead of its replicas`
}

/** The primary stands still until another is elected, and goes on: it takes itself for the primary until it is told. */
async function doublePrimary(sentinels: RedisSentinels): Promise<string> {
  const old = await sentinels.primary()
  old.freeze()
  const promoted = await sentinels.untilElectedAfter(old).finally(() => old.thaw())
  await untilFollowing(old, promoted)
  return 'the primary stood still while another was elected, and went on'
}

async function disconnect(sentinels: RedisSentinels): Promise<string> {
  const primary = await sentinels.primary()
  const killed = await primary.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  return `CLIENT KILL of ${String(killed)} connections`
}

/** Only then can the next fail-over come. */
async function untilFollowing(server: RedisServer, primary: RedisServer): Promise<void> {
  await until(
    'the old primary follows the new one',
    async () => {
      const info = await server.info('replication')
      return info.get('master_port') === String(primary.port) && info.get('master_link_status') === 'up'
    },
    SETTLE_MS,
  )
}

import { until } from './polling.ts'
import { RedisProcess } from './redis-process.ts'
import { RedisServer, type RedisServerOptions } from './redis-server.ts'
import type { RespValue } from './resp.ts'

/** What the tests call the primary that the sentinels watch. */
export const PRIMARY_NAME = 'holdfast-primary'

const SENTINELS = 3
const QUORUM = 2
const DOWN_AFTER_MS = 400
const DEADLINE_MS = 15_000
/** A sentinel sets right who is no replica although it should be after four of these: a promotion takes a second. */
const PUBLISH_MS = 500

/**
 * How often sentinels look, talk and try, all in milliseconds: they take their time otherwise. What they know of a
 * replica must be younger than five pings to elect it, and without a primary they ask it only once a second.
 */
const HASTE: readonly (readonly [string, number])[] = [
  ['info-period', 100],
  ['ping-period', 300],
  ['ask-period', 50],
  ['publish-period', 50],
  ['min-link-reconnect-period', 100],
  ['election-timeout', 500],
  ['slave-reconf-timeout', 500],
]

/** A primary with replicas, and three sentinels that elect another one when it is gone. */
export class RedisSentinels {
  readonly #sentinels: readonly RedisProcess[]
  /** The servers; the first one began as the primary. */
  readonly servers: readonly RedisServer[]

  private constructor(sentinels: readonly RedisProcess[], servers: readonly RedisServer[]) {
    this.#sentinels = sentinels
    this.servers = servers
  }

  /** Starts all of them. Resolves once every replica follows and the sentinels know all there is to know. */
  static async start(replicas: number, options: RedisServerOptions = {}): Promise<RedisSentinels> {
    const primary = await RedisServer.start(options)
    const followers = Array.from({ length: replicas }, () => RedisServer.start({ ...options, replicaOf: primary.port }))
    const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(primary.port, options)))
    const all = new RedisSentinels(sentinels, [primary, ...(await Promise.all(followers))])
    await until('sentinels and replicas know each other', () => all.#isComplete(replicas), DEADLINE_MS)
    for (const sentinel of sentinels) await sentinel.command('SENTINEL', 'DEBUG', 'publish-period', PUBLISH_MS)
    return all
  }

  /** Where the sentinels are. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The server that the sentinels take for the primary. */
  async primary(): Promise<RedisServer> {
    const port = await this.#primaryPort()
    const found = this.servers.find((server) => server.port === port)
    if (found === undefined) throw new Error(`The primary is on port ${port}, which is none of ours.`)
    return found
  }

  /** Resolves with the new primary once the sentinels have made one of another server than this one. */
  async untilElectedAfter(old: RedisServer): Promise<RedisServer> {
    const isElected = async (): Promise<boolean> => {
      if ((await this.#primaryPort()) === old.port) return false
      return (await (await this.primary()).info('replication')).get('role') === 'master'
    }
    await until('another primary is elected', isElected, DEADLINE_MS)
    return this.primary()
  }

  /** Asks for another primary although there is one. */
  async failOver(): Promise<void> {
    await this.#ask('FAILOVER')
  }

  /**
   * From now on nothing that the primary does arrives at a replica, which the sentinels do not mind for a few seconds.
   * Resolves once that is certain, with how to let the replicas follow again.
   */
  async stopReplication(): Promise<() => Promise<void>> {
    const primary = await this.primary()
    const replicas = this.servers.filter((server) => server !== primary)
    const setUser = async (name: string): Promise<void> => {
      for (const replica of replicas) await replica.command('CONFIG', 'SET', 'masteruser', name, 'masterauth', name)
    }
    await setUser('nobody')
    await primary.command('CLIENT', 'KILL', 'TYPE', 'replica')
    await until('no replica follows', async () => (await primary.info('replication')).get('connected_slaves') === '0')
    return () => setUser('')
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sentinels, ...this.servers].map((each) => each.stop()))
  }

  async #primaryPort(): Promise<number> {
    const reply = await this.#ask('GET-MASTER-ADDR-BY-NAME')
    return Array.isArray(reply) ? Number(reply[1]) : 0
  }

  async #ask(question: string): Promise<RespValue> {
    return (await this.#sentinels[0]?.command('SENTINEL', question, PRIMARY_NAME)) ?? null
  }

  async #isComplete(replicas: number): Promise<boolean> {
    for (const sentinel of this.#sentinels) {
      const others = await sentinel.command('SENTINEL', 'SENTINELS', PRIMARY_NAME)
      const followers = await sentinel.command('SENTINEL', 'REPLICAS', PRIMARY_NAME)
      if (lengthOf(others) !== SENTINELS - 1 || lengthOf(followers) !== replicas) return false
    }
    const links = this.servers
      .slice(1)
      .map(async (server) => (await server.info('replication')).get('master_link_status'))
    return (await Promise.all(links)).every((status) => status === 'up')
  }
}

function lengthOf(reply: RespValue): number {
  return Array.isArray(reply) ? reply.length : 0
}

async function startSentinel(primaryPort: number, { password }: RedisServerOptions): Promise<RedisProcess> {
  const watched = [
    `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${primaryPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${PRIMARY_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${PRIMARY_NAME} 2000`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${PRIMARY_NAME} "${password}"`]),
  ]
  const sentinel = await RedisProcess.start(
    (port, folder) => [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...watched],
    ['--sentinel'],
  )
  await sentinel.command('SENTINEL', 'DEBUG', ...HASTE.flat())
  return sentinel
}

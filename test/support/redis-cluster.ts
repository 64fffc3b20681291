import { freePort } from './free-port.ts'
import { until } from './polling.ts'
import { fieldsOf } from './redis-process.ts'
import { RedisServer, type RedisServerOptions } from './redis-server.ts'
import type { RespValue } from './resp.ts'

const SLOTS = 16_384
const PRIMARIES = 3
const DEADLINE_MS = 15_000
const MIGRATION_DEADLINE_MS = 5_000
const MOST_KEYS = 1_000

/** A slot on its way from one server to another. */
export interface Migration {
  /** The keys that have not been moved yet. */
  left(): Promise<readonly string[]>
  move(...keys: readonly string[]): Promise<void>
  /** Moves what is left and tells everybody who has the slot now. */
  finish(): Promise<void>
}

/** How a Cluster is set up. */
export interface RedisClusterOptions extends RedisServerOptions {
  /** How many servers follow each primary. Default 0. */
  readonly replicas?: number
}

/** A Cluster of three primaries, and of those that follow them. */
export class RedisCluster {
  /** The primaries, as it begins. */
  readonly servers: readonly RedisServer[]
  /** Those that follow: one for each primary in the order of these, then a second for each, and so on. */
  readonly replicas: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.servers = servers
    this.replicas = replicas
  }

  /** Starts it. Resolves once every server knows the others, all slots are served, and whoever follows has it all. */
  static async start({ replicas = 0, ...options }: RedisClusterOptions = {}): Promise<RedisCluster> {
    const members = Array.from({ length: PRIMARIES * (1 + replicas) }, () => startMember(options))
    const servers = await Promise.all(members)
    const cluster = new RedisCluster(servers.slice(0, PRIMARIES), servers.slice(PRIMARIES))
    await cluster.#form()
    await until('the Cluster is formed', () => cluster.#isFormed(), DEADLINE_MS)
    await cluster.#follow()
    return cluster
  }

  /** The server that follows a primary. */
  replicaOf(primary: RedisServer): RedisServer {
    const replica = this.replicas[this.servers.indexOf(primary)]
    if (replica === undefined) throw new Error('Nobody follows this server.')
    return replica
  }

  /** Where a client may begin. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  async slotOf(key: string): Promise<number> {
    return Number(await this.servers[0]?.command('CLUSTER', 'KEYSLOT', key))
  }

  /** The server that has a slot, as that server sees it itself. */
  async ownerOf(slot: number): Promise<RedisServer> {
    for (const server of this.#everyone) {
      const ranges = (await server.command('CLUSTER', 'SLOTS')) as readonly (readonly RespValue[])[]
      const range = ranges.find(([first, last]) => Number(first) <= slot && slot <= Number(last))
      const node = range?.[2]
      if (Array.isArray(node) && node[1] === server.port) return server
    }
    throw new Error(`Nobody has slot ${slot}.`)
  }

  /** A server that does not have the slot. */
  async strangerTo(slot: number): Promise<RedisServer> {
    const owner = await this.ownerOf(slot)
    const stranger = this.servers.find((server) => server !== owner)
    if (stranger === undefined) throw new Error('There is one server only.')
    return stranger
  }

  /** Begins to move a slot: from now on its owner sends clients on with ASK for keys that it no longer has. */
  async beginMigration(slot: number, to: RedisServer): Promise<Migration> {
    const from = await this.ownerOf(slot)
    const [fromId, toId] = await Promise.all([from, to].map(async (server) => idOf(server)))
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId ?? '')
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId ?? '')
    const left = async (): Promise<readonly string[]> => {
      return (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, MOST_KEYS)) as readonly string[]
    }
    const move = async (...keys: readonly string[]): Promise<void> => {
      await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, MIGRATION_DEADLINE_MS, 'KEYS', ...keys)
    }
    const finish = async (): Promise<void> => {
      for (let keys = await left(); keys.length > 0; keys = await left()) await move(...keys)
      // The new owner first: a client that the old one sends there must be served.
      const others = this.servers.filter((server) => server !== to)
      for (const server of [to, ...others]) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId ?? '')
    }
    return { left, move, finish }
  }

  /** Moves a slot with all that is in it. */
  async migrate(slot: number, to: RedisServer): Promise<void> {
    const migration = await this.beginMigration(slot, to)
    await migration.finish()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#everyone.map((server) => server.stop()))
  }

  get #everyone(): readonly RedisServer[] {
    return [...this.servers, ...this.replicas]
  }

  async #form(): Promise<void> {
    const share = Math.ceil(SLOTS / PRIMARIES)
    for (const [index, server] of this.servers.entries()) {
      const last = Math.min((index + 1) * share, SLOTS) - 1
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
      await server.command('CLUSTER', 'ADDSLOTSRANGE', index * share, last)
    }
    for (const server of this.#everyone) {
      for (const other of this.#everyone) {
        if (other === server) continue
        const [busPort] = /\d+$/.exec(String((await configOf(other, 'cluster-port'))[1])) ?? []
        await server.command('CLUSTER', 'MEET', '127.0.0.1', other.port, busPort ?? '')
      }
    }
  }

  async #follow(): Promise<void> {
    for (const [index, replica] of this.replicas.entries()) {
      const primary = this.servers[index % PRIMARIES]
      if (primary !== undefined) await replica.command('CLUSTER', 'REPLICATE', await idOf(primary))
    }
    const isUp = async (replica: RedisServer): Promise<boolean> => {
      return (await replica.info('replication')).get('master_link_status') === 'up'
    }
    await until(
      'everybody follows',
      async () => (await Promise.all(this.replicas.map(isUp))).every(Boolean),
      DEADLINE_MS,
    )
  }

  async #isFormed(): Promise<boolean> {
    for (const server of this.#everyone) {
      const fields = fieldsOf(String(await server.command('CLUSTER', 'INFO')))
      if (fields.get('cluster_state') !== 'ok' || fields.get('cluster_slots_ok') !== String(SLOTS)) return false
      if (fields.get('cluster_known_nodes') !== String(this.#everyone.length)) return false
    }
    return true
  }
}

async function startMember(options: RedisServerOptions): Promise<RedisServer> {
  const busPort = await freePort()
  const lines = ['cluster-enabled yes', `cluster-port ${busPort}`, 'cluster-node-timeout 2000']
  return RedisServer.start({ ...options, config: [...lines, ...(options.config ?? [])] })
}

async function idOf(server: RedisServer): Promise<string> {
  return String(await server.command('CLUSTER', 'MYID'))
}

async function configOf(server: RedisServer, name: string): Promise<readonly RespValue[]> {
  return (await server.command('CONFIG', 'GET', name)) as readonly RespValue[]
}

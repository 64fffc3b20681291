import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import { DrivenClock, type MakeHarness } from '../../src/testing/index.ts'
import { drivenPostgres } from '../support/postgres-store.ts'
import { overPooler, overPostgresJs, overSocket } from '../support/postgres-ways.ts'
import { clients, clusterUrl, drivenOverClient, inOneShard, overClient, overUrl } from '../support/redis-clients.ts'
import { drivenRedis } from '../support/redis-table.ts'

const memory: MakeHarness = async ({ limits }) => {
  const clock = new DrivenClock()
  const driver = memoryStore({ clock, limits })
  return { connect: async () => driver.open('contract'), advance: clock.advance }
}

const memoryInRealTime: MakeHarness = async ({ limits }) => {
  const driver = memoryStore({ limits })
  return { connect: async () => driver.open('contract') }
}

const sqlite: MakeHarness = async ({ limits }) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-contract-'))
  const clock = new DrivenClock()
  const connect = async (): ReturnType<ReturnType<typeof sqliteStore>['open']> =>
    sqliteStore(join(folder, 'locks.db'), { clock, limits }).open('contract')
  return { connect, advance: clock.advance, dispose: async () => rm(folder, { recursive: true }) }
}

/** Every way in which the contract is run: the test file of that name must pass every case of it. */
export const contractStores = {
  memory,
  'memory-in-real-time': memoryInRealTime,
  sqlite,
  redis: drivenRedis(),
  'redis-ioredis-5': overClient(clients['ioredis-5']),
  'redis-iovalkey': drivenOverClient(clients.iovalkey),
  'redis-node-redis': drivenOverClient(clients['node-redis']),
  'redis-node-redis-5': drivenOverClient(clients['node-redis-5']),
  'redis-cluster': overUrl(clusterUrl),
  'redis-cluster-node-redis': overClient(clients['node-redis-cluster']),
  'redis-sharded': inOneShard,
  postgres: drivenPostgres(),
  'postgres-js': overPostgresJs,
  'postgres-socket': overSocket,
  'postgres-pooled': overPooler,
} as const satisfies Record<string, MakeHarness>

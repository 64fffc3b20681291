import { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll } from 'vitest'
import { type PostgresDriver, postgresStore, type PostgresStoreOptions } from '../../src/stores/postgres/index.ts'
import type { MakeHarness } from '../../src/testing/index.ts'
import { PgBouncer } from './pgbouncer.ts'
import { PostgresServer } from './postgres-server.ts'
import { DRIVEN_SCHEMA, driveClocks } from './postgres-store.ts'

/** Where a store leads, and what is to be ended after it. */
interface Way {
  readonly where: Parameters<typeof postgresStore>[0]
  readonly listen?: PostgresStoreOptions['listen']
  readonly end?: () => Promise<unknown>
}

const ways: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of ways.splice(0).toReversed()) await end()
})

/** Runs the contract over another way to the server than that of the row `postgres`. */
function over(lead: (server: PostgresServer) => Promise<Way>): MakeHarness {
  let started: Promise<{ admin: Pool; way: Way }> | undefined
  let namespaces = 0
  const start = async (): Promise<{ admin: Pool; way: Way }> => {
    const server = await PostgresServer.start()
    ways.push(() => server.dispose())
    const admin = new Pool({ connectionString: server.url(), max: 2 })
    ways.push(() => admin.end())
    await postgresStore(admin, { schema: DRIVEN_SCHEMA }).migration.run()
    await driveClocks(admin)
    const way = await lead(server)
    if (way.end !== undefined) ways.push(way.end)
    return { admin, way }
  }
  return async ({ limits }) => {
    const { admin, way } = await (started ??= start())
    const { where, listen = true } = way
    const driver: PostgresDriver = postgresStore(where, { schema: DRIVEN_SCHEMA, limits, listen })
    namespaces += 1
    const namespace = `contract-${namespaces}`
    return {
      connect: async () => driver.open(namespace),
      advance: async (ms) => {
        await admin.query(`UPDATE ${DRIVEN_SCHEMA}.driven_clock SET lease = lease + $1, wall = wall + $1`, [ms])
      },
    }
  }
}

export const overPostgresJs: MakeHarness = over(async (server) => {
  const sql = postgres(server.url(), { max: 4, onnotice: () => undefined })
  return { where: sql, end: () => sql.end() }
})

export const overSocket: MakeHarness = over(async (server) => ({ where: server.socketUrl() }))

/** Commands by a pooler in transaction mode, and notifications around it. */
export const overPooler: MakeHarness = over(async (server) => {
  const bouncer = await PgBouncer.start(server.port)
  return { where: bouncer.url(), listen: server.url(), end: () => bouncer.dispose() }
})

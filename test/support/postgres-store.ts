import { Pool } from 'pg'
import { afterAll } from 'vitest'
import { postgresStore } from '../../src/stores/postgres/index.ts'
import type { MakeHarness } from '../../src/testing/index.ts'
import { PostgresServer } from './postgres-server.ts'

/** The schema of the contract, whose clocks are driven. */
export const DRIVEN_SCHEMA = 'holdfast_driven'

/** A server of this test file, with a pool to it. */
export interface SharedPostgres {
  readonly server: PostgresServer
  readonly pool: Pool
}

let shared: Promise<SharedPostgres> | undefined
let namespaces = 0

/** The server that all tests of this file share; it ends with the file. */
export function sharedPostgres(): Promise<SharedPostgres> {
  shared ??= start()
  return shared
}

afterAll(async () => {
  const { server, pool } = (await shared) ?? {}
  await pool?.end()
  await server?.dispose()
})

async function start(): Promise<SharedPostgres> {
  const server = await PostgresServer.start()
  return { server, pool: new Pool({ connectionString: server.url(), max: 4 }) }
}

/** A name that no harness of this file has used. */
export function freshNamespace(): string {
  namespaces += 1
  return `namespace-${namespaces}`
}

/**
 * Harnesses in one schema, whose clocks are driven; each has a namespace of its own, and starts with the clocks of a
 * `DrivenClock`. So one at a time.
 *
 * @param budget how much one batch may do in passing; default: as much as ever
 */
export function drivenPostgres(schema: string = DRIVEN_SCHEMA, budget?: number): MakeHarness {
  let made: Promise<Pool> | undefined
  return async ({ limits }) => {
    made ??= install(schema, budget)
    const pool = await made
    await pool.query(`UPDATE ${schema}.driven_clock SET lease = 1000000, wall = 1700000000000`)
    const namespace = freshNamespace()
    const driver = postgresStore(pool, { schema, limits })
    return {
      connect: async () => driver.open(namespace),
      advance: async (ms) => {
        await pool.query(`UPDATE ${schema}.driven_clock SET lease = lease + $1, wall = wall + $1`, [ms])
      },
    }
  }
}

async function install(schema: string, budget: number | undefined): Promise<Pool> {
  const { pool } = await sharedPostgres()
  await postgresStore(pool, { schema }).migration.run()
  await driveClocks(pool, schema)
  if (budget !== undefined) {
    await pool.query(
      `CREATE OR REPLACE FUNCTION ${schema}.step_budget() RETURNS integer LANGUAGE sql STABLE AS 'SELECT ${budget}'`,
    )
  }
  return pool
}

/**
 * The clocks of an installed store become a row, `driven_clock`, which a test moves on. Reading all of a table is
 * discouraged by the store so strongly that the server would compile that to machine code each time: hence `jit`.
 */
export async function driveClocks(pool: Pool, schema: string = DRIVEN_SCHEMA): Promise<void> {
  await pool.query(`
    CREATE TABLE ${schema}.driven_clock (lease bigint, wall bigint);
    INSERT INTO ${schema}.driven_clock VALUES (1000000, 1700000000000);
    CREATE OR REPLACE FUNCTION ${schema}.wall_clock() RETURNS bigint LANGUAGE plpgsql SET jit = off AS
      'BEGIN RETURN (SELECT c.wall FROM ${schema}.driven_clock c); END';
    CREATE OR REPLACE FUNCTION ${schema}.lease_clock(wall bigint) RETURNS bigint LANGUAGE plpgsql SET jit = off AS
      'BEGIN RETURN (SELECT c.lease FROM ${schema}.driven_clock c); END';`)
}

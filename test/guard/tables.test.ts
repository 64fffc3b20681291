import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fenceColumnSql, guardedTable, type PostgresClient } from '../../src/guard/index.ts'
import { PostgresServer } from '../support/postgres-server.ts'

const EARLY = { fencingToken: 1_763_918_231_000_006 }
const LATE = { fencingToken: 1_763_918_231_000_007 }
const TABLE = { schema: 'shop', table: 'the "order"', column: 'Fence' }
const KEY = { region: 'eu', id: 1 }

let server: PostgresServer
let pool: Pool
let sql: postgres.Sql
beforeAll(async () => {
  server = await PostgresServer.start()
  pool = new Pool({ connectionString: server.url() })
  sql = postgres(server.url(), { onnotice: () => undefined })
  await pool.query('CREATE SCHEMA shop')
  await pool.query(
    'CREATE TABLE shop."the ""order""" (region text, id int, note text, n int, PRIMARY KEY (region, id))',
  )
  await pool.query(fenceColumnSql(TABLE))
  // A second time does no harm.
  await pool.query(fenceColumnSql(TABLE))
}, 60_000)
afterAll(async () => {
  await Promise.all([pool.end(), sql.end()])
  await server.dispose()
})
beforeEach(async () => {
  await pool.query('TRUNCATE shop."the ""order"""')
  await pool.query(`INSERT INTO shop."the ""order""" VALUES ('eu', 1, '', 0), ('us', 1, 'other', 0)`)
})

const clients: Readonly<Record<string, () => PostgresClient>> = { pg: () => pool, postgres: () => sql }

describe.each(Object.entries(clients))('guardedTable over %s', (_, clientOf) => {
  test('updates rows, and refuses a lower token', async () => {
    const guard = guardedTable(clientOf(), TABLE)
    const written = await guard.update(EARLY, KEY, (row) => ({
      note: `${String(row['note'])}a`,
      n: Number(row['n']) + 1,
    }))
    expect(written).toMatchObject({ region: 'eu', id: 1, note: 'a', n: 1 })
    expect(await guard.write(LATE, KEY, { note: null })).toMatchObject({ note: null, n: 1 })
    await expect(guard.update(EARLY, KEY, () => ({ n: 7 }))).rejects.toMatchObject({ code: 'FENCED_OUT' })
    await expect(guard.write(EARLY, KEY, { n: 7 })).rejects.toThrow(/order.*token 1763918231000007/)
    expect(await guard.fence(KEY)).toBe(LATE.fencingToken)
    expect(await guard.fence({ ...KEY, region: 'us' })).toBe(0)
  })

  test('takes no write with a lower token once a higher one has entered, even if that writes nothing', async () => {
    const guard = guardedTable(clientOf(), TABLE)
    const early = guard.update(EARLY, KEY, async () => {
      expect(await guard.update(LATE, KEY, () => ({}))).toMatchObject({ n: 0 })
      return { n: 7 }
    })
    await expect(early).rejects.toMatchObject({ code: 'FENCED_OUT' })
    expect(await guard.update(LATE, KEY, () => ({}))).toMatchObject({ n: 0 })
  })

  test('can be set back by an administrator, which calls off the updates under way', async () => {
    const guard = guardedTable(clientOf(), TABLE)
    await guard.write({ fencingToken: Number.MAX_SAFE_INTEGER }, KEY, { n: 1 })
    expect(await guard.resetFence(KEY, LATE.fencingToken)).toBe(Number.MAX_SAFE_INTEGER)
    await expect(guard.write(EARLY, KEY, { n: 2 })).rejects.toMatchObject({ code: 'FENCED_OUT' })
    const update = guard.update(LATE, KEY, async () => {
      await guard.resetFence(KEY)
      return { n: 3 }
    })
    await expect(update).rejects.toThrow(/was reset, or lost its data/)
    expect(await guard.fence(KEY)).toBe(0)
  })

  test('refuses a row that does not exist, and what is no column of the user', async () => {
    const guard = guardedTable(clientOf(), TABLE)
    const missing = { region: 'eu', id: 2 }
    for (const refused of [
      () => guard.update(EARLY, missing, () => ({})),
      () => guard.fence(missing),
      () => guard.resetFence(missing),
    ]) {
      await expect(refused()).rejects.toThrow(/does not exist\. Insert it/)
    }
    await expect(guard.write(EARLY, KEY, { Fence: 9 })).rejects.toThrow(/the guard's own column/)
    await expect(guard.write(EARLY, {}, { n: 9 })).rejects.toThrow(/No row was named/)
    await expect(guard.update(EARLY, KEY, () => undefined as never)).rejects.toMatchObject({ code: 'INVALID' })
    await expect(guard.write({ ...EARLY, mode: 'shared' }, KEY, {})).rejects.toThrow(/shared lock/)
    await expect(guard.write(EARLY, KEY, { 'n" = 7 --': 1 })).rejects.toMatchObject({ code: '42703' })
  })
})

test('a guarded update that meets another one of the same row waits for it, and is then judged by its token', async () => {
  const [one, guard] = [new Client({ connectionString: server.url() }), guardedTable(pool, TABLE)]
  await one.connect()
  await one.query('BEGIN')
  await guardedTable(one, TABLE).write(LATE, KEY, { n: 1 })
  const refused = guard.write(EARLY, KEY, { n: 2 })
  refused.catch(() => undefined)
  for (;;) {
    const { rows } = await pool.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
    if (rows.length > 0) break
  }
  await one.query('COMMIT')
  await one.end()
  await expect(refused).rejects.toMatchObject({ code: 'FENCED_OUT' })
})

test('guardedTable refuses other clients, unknown options and what is no name', () => {
  expect(() => guardedTable({} as PostgresClient, TABLE)).toThrow(/no Postgres client/)
  expect(() => guardedTable(pool, { tables: 'a' } as never)).toThrow(/'tables' is not an option/)
  expect(() => guardedTable(pool, { table: '' })).toThrow(/is not a name in SQL/)
  expect(fenceColumnSql({ table: 'a' })).toBe(
    'ALTER TABLE "a" ADD COLUMN IF NOT EXISTS "holdfast_fence" bigint NOT NULL DEFAULT 0',
  )
})

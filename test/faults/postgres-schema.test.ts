import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LockStore, NotExecutedError } from '../../src/core/store.ts'
import { postgresStore, type PostgresStoreOptions } from '../../src/stores/postgres/index.ts'
import { actor } from '../support/lock-files.ts'
import { manager } from '../support/managers.ts'
import { PostgresServer } from '../support/postgres-server.ts'

const server = await PostgresServer.start()
await server.run('CREATE ROLE app LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE builder LOGIN')
afterAll(() => server.dispose())

let database = ''
const stores: LockStore[] = []
beforeEach(async () => {
  database = await server.createDatabase()
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

async function open(user = 'postgres', options: PostgresStoreOptions = {}): Promise<LockStore> {
  const store = await postgresStore(server.url(database, user), options).open('default')
  stores.push(store)
  return store
}

function run(text: string): Promise<readonly Record<string, unknown>[]> {
  return server.run(text, [], database)
}

async function schemas(): Promise<unknown[]> {
  const found = await run("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%hold%' ORDER BY 1")
  return found.map(({ nspname }) => nspname)
}

/** What a store is for. */
async function expectToWork(store: LockStore): Promise<void> {
  const [alice, bob] = [actor(store), actor(store)]
  const resource = `r:${randomUUID()}`
  const lease = await alice.acquire(resource)
  const subscription = await bob.subscribe()
  const place = await bob.queue(resource)
  await alice.release(lease)
  await bob.heartbeat()
  expect(await bob.told(place, 'granted')).toHaveLength(1)
  await subscription.close()
}

describe('the schema', () => {
  test('is installed at first use, and found at the next', async () => {
    await expectToWork(await open())
    await expectToWork(await open())
    expect(await run('SELECT version FROM holdfast.installations')).toHaveLength(1)
  })

  test('may have another name, and shares nothing with one of another name', async () => {
    const [one, other] = [
      await open('postgres', { schema: 'one_hold' }),
      await open('postgres', { schema: 'other_hold' }),
    ]
    await actor(one).acquire('r:a')
    await actor(other).acquire('r:a')
    expect(await schemas()).toEqual(['one_hold', 'other_hold'])
  })

  test('may be named in the URL', async () => {
    const driver = postgresStore(`${server.url(database)}?schema=url_hold`)
    stores.push(await driver.open('default'))
    expect(await schemas()).toEqual(['url_hold'])
  })

  test.each(['', 'Capital', 'pg_temp', 'with space', '1st', 'x'.repeat(42), `a"; DROP SCHEMA public; --`])(
    'is not called %j',
    (schema) => {
      expect(() => postgresStore(server.url(database), { schema })).toThrow(/schema: .* is not allowed/u)
    },
  )

  test('is not installed where the option says so, and the error says what to do', async () => {
    await expect(open('postgres', { migrate: false })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/is not installed\. Run 'holdfast migrate'/u) as string,
    })
    expect(await schemas()).toEqual([])
    const migration = postgresStore(server.url(database)).migration
    expect(await migration.run()).toEqual({ from: 0, to: 1 })
    expect(await migration.run()).toEqual({ from: 1, to: 1 })
    await expectToWork(await open('postgres', { migrate: false }))
  })

  test('is installed by the SQL that is printed as by the store itself', async () => {
    await run(postgresStore(server.url(database)).migration.sql('app'))
    await expectToWork(await open('app', { migrate: false }))
  })

  test('of a later version is refused, by whoever opens it and whoever has it open', async () => {
    const store = await open()
    await expectToWork(store)
    await run(`CREATE OR REPLACE FUNCTION holdfast.schema_version() RETURNS integer LANGUAGE sql AS 'SELECT 99';
               ALTER FUNCTION holdfast.apply RENAME TO apply_otherwise`)
    const refusal = {
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/later version of Holdfast.*version 99.*Upgrade/u) as string,
    }
    await expect(open()).rejects.toMatchObject(refusal)
    await expect(open('postgres', { migrate: false })).rejects.toMatchObject(refusal)
    const refused = actor(store).heartbeat()
    await expect(refused).rejects.toMatchObject(refusal)
    // Else its session would ask again and again, and its callers would be told only when their patience is at its end.
    await expect(refused).rejects.toBeInstanceOf(NotExecutedError)
  })

  test('that was dropped is installed again, and its locks are lost', async () => {
    const locks = manager({ store: postgresStore(server.url(database)), namespace: randomUUID(), heartbeat: '100ms' })
    const lock = await locks.acquire('r:a', { agentId: 'a', timeout: '1h' })
    await run('DROP SCHEMA holdfast CASCADE')
    const again = await locks.acquire('r:a', { agentId: 'b' })
    expect(again.fencingToken).toBeGreaterThan(lock.fencingToken)
    expect(lock.isHeld).toBe(false)
  })

  test('is neither installed nor used where the server only takes reads, and the error says why', async () => {
    const refusal = { code: 'UNAVAILABLE', message: expect.stringMatching(/only takes reads.*primary/u) as string }
    await server.run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await expect(open()).rejects.toMatchObject(refusal)
    await server.run(`ALTER DATABASE ${database} RESET default_transaction_read_only`)
    await expectToWork(await open())
    await server.run(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await expect(actor(await open()).acquire('r:a')).rejects.toMatchObject(refusal)
  })

  test('is in no database that cannot hold every name', async () => {
    await server.run(`CREATE DATABASE latin_${database} ENCODING 'LATIN1' TEMPLATE template0`)
    await expect(postgresStore(server.url(`latin_${database}`)).open('default')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/encoding LATIN1.*UTF8/u) as string,
    })
  })
})

describe('a role', () => {
  test('that was granted the use of the store can do everything with locks, and nothing else', async () => {
    await postgresStore(server.url(database)).migration.run('app')
    await expectToWork(await open('app'))
    const asApp = async (text: string): Promise<unknown> => run(`SET ROLE app; ${text}`)
    await expect(asApp('SELECT * FROM holdfast.requests')).rejects.toThrow(/permission denied/u)
    await expect(asApp('DELETE FROM holdfast.sessions')).rejects.toThrow(/permission denied/u)
    await expect(asApp('CREATE TABLE holdfast.mine (a int)')).rejects.toThrow(/permission denied/u)
    const allowed = await run(
      `SELECT p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname = 'holdfast' AND has_function_privilege('app', p.oid, 'EXECUTE') ORDER BY 1`,
    )
    expect(allowed.map(({ name }) => name)).toEqual(['apply', 'assert_held', 'follow', 'schema_version'])
  })

  test('that was not granted it is told who can help', async () => {
    await postgresStore(server.url(database)).migration.run()
    await expect(open('stranger')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/may not do that.*holdfast migrate --role/u) as string,
    })
  })

  test('that may not create a schema is told what to do, and leaves nothing behind', async () => {
    await expect(open('stranger')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/may not do that/u) as string,
    })
    expect(await schemas()).toEqual([])
  })

  test('that may create in a schema made for it need not be allowed to make one', async () => {
    await run('CREATE SCHEMA holdfast AUTHORIZATION builder')
    await expectToWork(await open('builder'))
  })

  test('cannot lead the functions astray by objects of its own', async () => {
    await postgresStore(server.url(database)).migration.run('app')
    await run(`CREATE SCHEMA app AUTHORIZATION app;
               CREATE TABLE app.namespaces (stolen int);
               CREATE FUNCTION app.clock() RETURNS bigint LANGUAGE sql AS 'SELECT 1/0';
               ALTER ROLE app IN DATABASE ${database} SET search_path = app, holdfast`)
    await expectToWork(await open('app'))
  })
})

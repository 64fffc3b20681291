import { join } from 'node:path'
import { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../../src/core/errors.ts'
import { NotExecutedError } from '../../src/core/store.ts'
import type { PostgresClient } from '../../src/stores/postgres/clients/client.ts'
import { connect } from '../../src/stores/postgres/connect.ts'
import { Connection } from '../../src/stores/postgres/connection.ts'
import { ServerError } from '../../src/stores/postgres/link.ts'
import { freePort } from '../support/free-port.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { until } from '../support/polling.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await PostgresServer.start({ ssl: true, settings: { max_connections: '12' } })
})
afterAll(() => server.dispose())

const afterwards: (() => unknown)[] = []
afterEach(async () => {
  for (const undo of afterwards.splice(0).toReversed()) await undo()
})

const clients: Readonly<Record<string, (url: string) => Promise<PostgresClient>>> = {
  'a URL': async (url) => {
    const client = await connect(url, 3)
    afterwards.push(() => client.close())
    return client
  },
  'a pool of pg': async (url) => {
    const pool = new Pool({ connectionString: url, max: 3 })
    pool.on('error', () => undefined)
    afterwards.push(() => pool.end())
    return connect(pool, 3)
  },
  'a client of postgres': async (url) => {
    const sql = postgres(url, { max: 3, onnotice: () => undefined })
    afterwards.push(() => sql.end({ timeout: 0 }))
    return connect(sql, 3)
  },
}

/** What a promise rejects with. */
async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function isOpen(error: unknown): boolean {
  return error instanceof StoreUnavailableError && !(error instanceof NotExecutedError)
}

describe.each(Object.entries(clients))('commands over %s', (_, make) => {
  test('give their rows, whatever is in the values', async () => {
    const client = await make(server.url())
    const odd = `'"\\ $1 $2 \\u0000 \u{1f512}\n--`
    const rows = await client.query('SELECT $1::text AS a, $2::int AS b, $3::text AS c, $4::boolean AS d', [
      odd,
      7,
      null,
      true,
    ])
    expect(rows).toMatchObject([{ a: odd, b: 7, c: null, d: true }])
  })

  test('without values may be several statements, which are one transaction, and give the rows of the last', async () => {
    const client = await make(server.url())
    const text = 'SELECT 1 AS one, pg_current_xact_id()::text AS id; SELECT 2 AS two, pg_current_xact_id()::text AS id'
    expect(await client.query(text, [])).toMatchObject([{ two: 2 }])
    await expect(client.query('CREATE TABLE torn (a int); SELECT 1 / 0', [])).rejects.toThrow(ServerError)
    expect(await client.query("SELECT to_regclass('torn')::text AS torn", [])).toMatchObject([{ torn: null }])
  })

  test('say what the server had against them, and that nothing was done', async () => {
    const client = await make(server.url())
    const error = await failureOf(client.query('SELECT $1::int / 0', [1]))
    expect(error).toBeInstanceOf(ServerError)
    expect(error).toMatchObject({ sqlState: '22012', message: expect.stringContaining('division by zero') as string })
    expect(await client.query('SELECT 1 AS one', [])).toMatchObject([{ one: 1 }])
  })

  test('that are broken off by the server may have been done', async () => {
    const client = await make(server.url())
    const failing = failureOf(client.query('SELECT pg_sleep($1::int)', [60]))
    await untilSleeping()
    await terminateSleepers()
    expect(isOpen(await failing)).toBe(true)
    expect(await client.query('SELECT 1 AS one', [])).toMatchObject([{ one: 1 }])
  })

  test('work again after all idle connections were terminated', async () => {
    const client = await make(server.url())
    await Promise.all([1, 2, 3].map((n) => client.query('SELECT pg_sleep(0.05), $1::int', [n])))
    await server.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    // A library may need one failure to notice.
    await until('a command is answered', async () => (await client.query('SELECT $1::int AS a', [1])).length === 1)
    expect(await client.query('SELECT $1::int AS a', [2])).toMatchObject([{ a: 2 }])
  })

  test('that cannot reach a server were not done', async () => {
    const client = await make(`postgres://postgres:secret@127.0.0.1:${await freePort()}/postgres`)
    const error = await failureOf(client.query('SELECT $1::int', [1]))
    expect(error).toBeInstanceOf(NotExecutedError)
    expect(String(error)).toMatch(/127\.0\.0\.1:\d+\/postgres could not be reached.*Nothing was done/u)
    expect(String(error)).not.toContain('secret')
  })

  test('for which there is no connection were not done, and say so', async () => {
    await server.run('CREATE ROLE crowded LOGIN CONNECTION LIMIT 0').catch(() => undefined)
    const client = await make(server.url('postgres', 'crowded'))
    const error = await failureOf(client.query('SELECT $1::int', [1]))
    expect(error).toBeInstanceOf(NotExecutedError)
    expect(String(error)).toMatch(/no free connection.*max_connections/u)
  })

  test('to a database that does not exist say so', async () => {
    const client = await make(server.url('absent'))
    const error = await failureOf(client.query('SELECT 1', []))
    expect(error).toBeInstanceOf(NotExecutedError)
    expect(String(error)).toMatch(/absent does not exist. Create the database/u)
  })

  test('that get no answer may have been done', { timeout: 30_000 }, async () => {
    const proxy = await TcpProxy.start(server.port)
    afterwards.push(() => proxy.stop())
    const client = await make(`postgres://postgres@127.0.0.1:${proxy.port}/postgres`)
    await client.query('SELECT $1::int', [1])
    proxy.silence()
    const error = await failureOf(client.query('SELECT $1::int', [1]))
    expect(isOpen(error)).toBe(true)
    expect(String(error)).toMatch(/has not answered for \d seconds/u)
    await until(
      'another connection is used',
      async () => (await client.query('SELECT $1::int AS a', [1])).length === 1,
      20_000,
    )
  })

  test('go through a pooler in transaction mode, by however many connections', async () => {
    const bouncer = await PgBouncer.start(server.port)
    afterwards.push(() => bouncer.dispose())
    const users = [await make(bouncer.url()), await make(bouncer.url())]
    for (let round = 0; round < 20; round += 1) {
      const both = users.flatMap((client) => [1, 2, 3].map((n) => client.query('SELECT $1::int AS a', [n])))
      expect((await Promise.all(both)).map(([row]) => row?.['a'])).toEqual([1, 2, 3, 1, 2, 3])
    }
  })

  test('are one transaction where they should be, which fails as a whole', async () => {
    const client = await make(server.url())
    const creating = client.transaction(async (run) => {
      await run('CREATE TABLE halfway (a int)')
      await run('SELECT 1 / 0')
    })
    await expect(creating).rejects.toThrow(ServerError)
    const refused = client.transaction(async (run) => {
      await run('CREATE TABLE halfway (a int)')
      throw new NotExecutedError('no')
    })
    await expect(refused).rejects.toThrow('no')
    expect(await client.query("SELECT to_regclass('halfway')::text AS found", [])).toMatchObject([{ found: null }])
    expect(await client.transaction((run) => run('SELECT 3 AS three'))).toMatchObject([{ three: 3 }])
  })
})

describe('a Unix socket', () => {
  test('is named by its folder', async () => {
    const sql = postgres({ host: server.folder, port: server.port, user: 'postgres', database: 'postgres' })
    afterwards.push(() => sql.end({ timeout: 0 }))
    const byUrl = await connect(server.socketUrl(), 1)
    afterwards.push(() => byUrl.close())
    for (const client of [byUrl, await connect(sql, 1)]) {
      expect(client.name).toBe(`postgres:///postgres?host=${server.folder}&port=${server.port}`)
      expect(await client.query('SELECT inet_client_addr()::text AS peer', [])).toMatchObject([{ peer: null }])
    }
  })
})

describe('a URL', () => {
  test('with TLS is encrypted, and checks the certificate', async () => {
    const certificate = join(server.folder, 'server.crt')
    const trusting = await connect(`${server.url()}?sslmode=verify-full&sslrootcert=${certificate}`, 1)
    afterwards.push(() => trusting.close())
    const encrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
    expect(await trusting.query(encrypted, [])).toMatchObject([{ ssl: true }])
    const careful = await connect(`${server.url()}?sslmode=verify-full`, 1)
    afterwards.push(() => careful.close())
    const error = await failureOf(careful.query(encrypted, []))
    expect(error).toBeInstanceOf(NotExecutedError)
    expect(String(error)).toMatch(/certificate .* is not trusted.*sslrootcert/u)
  })
})

describe('a transaction that had to give way to another', () => {
  test('is tried again, a few times', async () => {
    await server.run(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION gives_way(times bigint) RETURNS bigint LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('tries') <= times THEN
          RAISE EXCEPTION 'another transaction was first' USING ERRCODE = '40001';
        END IF;
        RETURN currval('tries');
      END $$`)
    const client = await connect(server.url(), 3)
    const connection = new Connection({ client, notifier: undefined, schema: 'holdfast', migrate: false })
    const link = connection.link(() => connection.close())
    afterwards.push(() => link.close())
    expect(await link.query('SELECT gives_way($1::bigint)::int AS tries', [2])).toEqual([{ tries: 3 }])
    const error = await failureOf(link.query('SELECT gives_way($1::bigint)::int AS tries', [1_000]))
    expect(error).toBeInstanceOf(ServerError)
    expect(error).toMatchObject({ sqlState: '40001' })
    await link.close()
    expect(await failureOf(link.query('SELECT 1', []))).toBeInstanceOf(NotExecutedError)
  })
})

describe('what the user gave', () => {
  test('stays open when the store is closed', async () => {
    const pool = new Pool({ connectionString: server.url() })
    const sql = postgres(server.url())
    afterwards.push(
      () => pool.end(),
      () => sql.end({ timeout: 0 }),
    )
    for (const given of [pool, sql]) {
      const client = await connect(given, 1)
      await client.query('SELECT 1', [])
      await client.close()
    }
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect([...(await sql`SELECT 1 AS one`)]).toEqual([{ one: 1 }])
    expect(pool.listenerCount('error')).toBe(0)
  })

  test('hears of no listener for each of many stores', async () => {
    const pool = new Pool({ connectionString: server.url() })
    afterwards.push(() => pool.end())
    const stores = await Promise.all(Array.from({ length: 20 }, () => connect(pool, 1)))
    expect(pool.listenerCount('error')).toBe(1)
    for (const store of stores) await store.close()
    expect(pool.listenerCount('error')).toBe(0)
  })

  test('may have no connection to spare', { timeout: 20_000 }, async () => {
    const pool = new Pool({ connectionString: server.url(), max: 1 })
    afterwards.push(() => pool.end())
    const kept = await pool.connect()
    const client = await connect(pool, 1)
    const error = await failureOf(client.query('SELECT 1', []))
    kept.release()
    expect(error).toBeInstanceOf(NotExecutedError)
    expect(String(error)).toMatch(/No connection .* within 4 seconds.*pool is large enough/u)
    expect(await client.query('SELECT 1 AS one', [])).toMatchObject([{ one: 1 }])
  })
})

async function untilSleeping(): Promise<void> {
  await until('somebody sleeps at the server', async () => {
    const found = await server.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    return found.length > 0
  })
}

async function terminateSleepers(): Promise<void> {
  await server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
}

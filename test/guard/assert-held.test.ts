import { Client } from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { assertHeld } from '../../src/guard/index.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { until } from '../support/polling.ts'
import { PostgresServer } from '../support/postgres-server.ts'

let server: PostgresServer
/** Of its own for each test. */
let resource: string
let locks: ResourceLockManager
const clients: Client[] = []
beforeAll(async () => {
  server = await PostgresServer.start()
  await server.run('CREATE TABLE note (text text NOT NULL)')
  locks = new ResourceLockManager({ store: server.url(), namespace: 'notes', metrics: false })
  await locks.connect()
}, 60_000)
afterAll(async () => {
  await locks.close()
  await server.dispose()
})
beforeEach(async ({ task }) => {
  resource = `state:${task.id}`
  await server.run('TRUNCATE note')
  await server.run("INSERT INTO note VALUES ('')")
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end()
})

/** A transaction on a connection of its own. */
async function begin(): Promise<Client> {
  const client = new Client({ connectionString: server.url() })
  clients.push(client)
  await client.connect()
  await client.query('BEGIN')
  return client
}

const read = async (client: Client): Promise<string> =>
  (await client.query<{ text: string }>('SELECT text FROM note')).rows[0]?.text ?? ''
const write = (client: Client, text: string): Promise<unknown> => client.query('UPDATE note SET text = $1', [text])
const content = async (): Promise<string | undefined> =>
  (await server.run<{ text: string }>('SELECT text FROM note'))[0]?.text
const options = { namespace: 'notes' }

describe('assertHeld', () => {
  test('lets a transaction write while its lock is held', async () => {
    const lock = await locks.acquire(resource, { agentId: 'a' })
    const transaction = await begin()
    await assertHeld(transaction, lock, options)
    await write(transaction, 'a')
    await transaction.query('COMMIT')
    expect(await content()).toBe('a')
    await lock.release()
  })

  test('refuses one whose lock is released, forced or in other hands, and aborts it', async () => {
    const released = await locks.acquire(resource, { agentId: 'a' })
    await released.release()
    const forced = await locks.acquire(resource, { agentId: 'b' })
    await locks.forceUnlock(resource, { adminAgentId: 'operator', reason: 'test' })
    const lock = await locks.acquire(resource, { agentId: 'c' })
    for (const each of [released, forced]) {
      const transaction = await begin()
      const refused = assertHeld(transaction, each, options)
      await expect(refused).rejects.toMatchObject({ code: 'FENCED_OUT', resources: each.resources })
      await expect(write(transaction, 'late')).rejects.toMatchObject({ code: '25P02' })
    }
    expect(await content()).toBe('')
    await lock.release()
  })

  test('refuses a late write that comes after the next holder’s, or between its read and its write', async () => {
    for (const order of ['after', 'between']) {
      const early = await locks.acquire(resource, { agentId: 'early', timeout: '300ms' })
      const reading = await begin()
      const text = await read(reading)
      await reading.query('COMMIT')
      const late = await locks.acquire(resource, { agentId: 'late', waitTimeout: '10s' })
      const writesLate = async (): Promise<void> => {
        const transaction = await begin()
        await expect(assertHeld(transaction, early, options)).rejects.toMatchObject({ code: 'FENCED_OUT' })
        await expect(write(transaction, `${text}early`)).rejects.toMatchObject({ code: '25P02' })
      }
      const transaction = await begin()
      await assertHeld(transaction, late, options)
      const seen = await read(transaction)
      if (order === 'between') await writesLate()
      await write(transaction, `${seen}late `)
      await transaction.query('COMMIT')
      if (order === 'after') await writesLate()
      await late.release()
    }
    expect(await content()).toBe('late late ')
  })

  test('is what keeps that late write from losing an update', async () => {
    await locks.acquire(resource, { agentId: 'early', timeout: '300ms' })
    const text = await content()
    const late = await locks.acquire(resource, { agentId: 'late', waitTimeout: '10s' })
    await server.run(`UPDATE note SET text = text || 'late'`)
    await server.run('UPDATE note SET text = $1', [`${text}early`])
    expect(await content()).toBe('early')
    await late.release()
  })

  test('keeps the lease from ending before the transaction does', { timeout: 30_000 }, async () => {
    const early = await locks.acquire(resource, { agentId: 'early', timeout: '500ms' })
    const transaction = await begin()
    await assertHeld(transaction, early, options)
    const order: string[] = []
    const next = locks.acquire(resource, { agentId: 'late', waitTimeout: '20s' }).then((late) => {
      order.push('granted')
      return late
    })
    // Until the lease would have ended, by the server's own clock.
    await transaction.query('SELECT pg_sleep(1)')
    await write(transaction, 'early')
    order.push('commits')
    await transaction.query('COMMIT')
    const late = await next
    expect(order).toEqual(['commits', 'granted'])
    await late.release()
  })

  test('keeps a forced end waiting until the transaction is over', { timeout: 30_000 }, async () => {
    const lock = await locks.acquire(resource, { agentId: 'a' })
    const transaction = await begin()
    await assertHeld(transaction, lock, options)
    const order: string[] = []
    const forced = locks.forceUnlock(resource, { adminAgentId: 'admin', reason: 'test' }).then((ended) => {
      order.push('ended')
      return ended
    })
    await transaction.query('SELECT pg_sleep(0.3)')
    order.push('commits')
    await transaction.query('COMMIT')
    expect(await forced).toMatchObject([{ agentId: 'a' }])
    expect([...order, lock.isHeld]).toEqual(['commits', 'ended', false])
  })

  test('does not let a release of the lock wait with the namespace in its hands', { timeout: 30_000 }, async () => {
    const others = new ResourceLockManager({ store: server.url(), namespace: 'notes', metrics: false })
    const lock = await locks.acquire(resource, { agentId: 'a' })
    const transaction = await begin()
    await assertHeld(transaction, lock, options)
    const released = lock.release()
    let isServed = false
    const served = others.acquire(`${resource}/other`, { agentId: 'b' }).finally(() => (isServed = true))
    const waits: unknown[] = []
    await until('the other is served', async () => {
      waits.push(...(await server.run(`SELECT query FROM pg_stat_activity WHERE wait_event = 'transactionid'`)))
      return isServed
    })
    expect(waits).toEqual([])
    await (await served).release()
    await transaction.query('COMMIT')
    expect(await released).toBe(true)
    await others.close()
  })

  test('works in a transaction of postgres.js, and over a lock on a tree', async () => {
    const sql = postgres(server.url(), { onnotice: () => undefined })
    const lock = await locks.acquire(`${resource}/**`, { agentId: 'a' })
    await sql.begin(async (transaction) => {
      await assertHeld(transaction, lock, options)
      await transaction`UPDATE note SET text = 'a'`
    })
    await lock.release()
    const refused = sql.begin((transaction) => assertHeld(transaction, lock, options))
    await expect(refused).rejects.toMatchObject({ code: 'FENCED_OUT' })
    expect(await content()).toBe('a')
    await sql.end()
  })

  test('knows locks of its namespace only, and says where there is no lock store at all', async () => {
    const lock = await locks.acquire(resource, { agentId: 'a' })
    await expect(assertHeld(await begin(), lock)).rejects.toMatchObject({ code: 'FENCED_OUT' })
    await expect(assertHeld(await begin(), lock, { ...options, schema: 'none' })).rejects.toMatchObject({
      code: '3F000',
    })
    await lock.release()
  })

  test('refuses a shared lock, a token alone and unknown options', async () => {
    const transaction = await begin()
    const shared = await locks.acquire(resource, { agentId: 'a', mode: 'shared' })
    await expect(assertHeld(transaction, shared, options)).rejects.toThrow(/shared lock/)
    await expect(assertHeld(transaction, { fencingToken: 7 })).rejects.toThrow(/its token alone is not enough/)
    await expect(assertHeld(transaction, shared, { name: 'x' } as object)).rejects.toThrow(/'name' is not an option/)
    await shared.release()
  })
})

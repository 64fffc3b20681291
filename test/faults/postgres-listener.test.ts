import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { PostgresClient } from '../../src/stores/postgres/clients/client.ts'
import { connect } from '../../src/stores/postgres/connect.ts'
import { Listener, LISTENER_TIMES, type ListenerTimes } from '../../src/stores/postgres/listener.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { until } from '../support/polling.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const QUICK: ListenerTimes = { ...LISTENER_TIMES, probeMs: 100, echoMs: 500, pollMs: 200 }

let server: PostgresServer
beforeAll(async () => {
  server = await PostgresServer.start()
})
afterAll(() => server.dispose())

const afterwards: (() => unknown)[] = []
afterEach(async () => {
  for (const undo of afterwards.splice(0).toReversed()) await undo()
})

/** What a channel was told. */
class Heard {
  readonly texts: string[] = []
  interruptions = 0
  readonly onText = (text: string): void => void this.texts.push(text)
  readonly onInterruption = (): void => void (this.interruptions += 1)
}

async function listenerOf(client: PostgresClient, times: ListenerTimes = QUICK): Promise<Listener> {
  const open = client.openNotifications?.bind(client)
  if (open === undefined) throw new Error('This client cannot listen.')
  const notify = (channel: string): Promise<unknown> =>
    client.query('SELECT pg_notify($1::text, $2::text)', [channel, ''])
  const listener = new Listener({ name: client.name, heals: client.heals, open, notify }, times)
  afterwards.push(
    () => client.close(),
    () => listener.close(),
  )
  return listener
}

const clients: Readonly<Record<string, (url: string) => Promise<PostgresClient>>> = {
  'a URL': (url) => connect(url, 3),
  'a pool of pg': async (url) => {
    const pool = new Pool({ connectionString: url })
    pool.on('error', () => undefined)
    afterwards.push(() => pool.end())
    return connect(pool, 3)
  },
  'a client of postgres': async (url) => {
    const sql = postgres(url, { onnotice: () => undefined })
    afterwards.push(() => sql.end({ timeout: 0 }))
    return connect(sql, 3)
  },
}

/** Ends every connection but that of the test, as a server's administrator would. */
async function terminateAll(where = ''): Promise<number> {
  const killed = await server.run(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' ${where}`,
  )
  return killed.length
}

describe.each(Object.entries(clients))('a listener over %s', (_, make) => {
  test('hears what is notified once it listens, on its own channels alone', async () => {
    const listener = await listenerOf(await make(server.url()))
    const [here, there] = [new Heard(), new Heard()]
    await listener.listen('here', here)
    await listener.listen('there', there)
    await server.run("SELECT pg_notify('here', 'one'), pg_notify('elsewhere', 'two'), pg_notify('there', 'three')")
    await until('both were told', () => here.texts.length === 1 && there.texts.length === 1)
    expect([here.texts, there.texts]).toEqual([['one'], ['three']])
  })

  test('hears nothing any more of a channel that it left', async () => {
    const listener = await listenerOf(await make(server.url()))
    const [left, kept] = [new Heard(), new Heard()]
    const subscription = await listener.listen('left', left)
    await listener.listen('kept', kept)
    await subscription.close()
    await server.run("SELECT pg_notify('left', 'a'), pg_notify('kept', 'b')")
    await until('the other channel was told', () => kept.texts.length === 1)
    expect(left.texts).toEqual([])
  })

  test('hears again after its connection was terminated, and says that it may have missed something', async () => {
    const listener = await listenerOf(await make(server.url()))
    const heard = new Heard()
    await listener.listen('channel', heard)
    expect(await terminateAll()).toBeGreaterThan(0)
    await until('it knows of the interruption', () => heard.interruptions > 0)
    await expectToBeHeard(heard)
  })

  test('hears again after the server was away for a while', { timeout: 60_000 }, async () => {
    const client = await make(server.url())
    const listener = await listenerOf(client)
    const heard = new Heard()
    await listener.listen('channel', heard)
    await server.stop()
    const before = heard.interruptions
    let refusals = 0
    // Longer than the first attempts to come back take.
    await until('commands were refused again and again', async () => {
      await expect(client.query('SELECT 1', [])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      return (refusals += 1) >= 5
    })
    await server.start()
    await expectToBeHeard(heard)
    expect(heard.interruptions).toBeGreaterThan(before)
  })

  test('refuses where no server is, and works once there is one', { timeout: 60_000 }, async () => {
    await server.stop()
    const listener = await listenerOf(await make(server.url()))
    const heard = new Heard()
    await expect(listener.listen('channel', heard)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await server.start()
    await until('it listens', async () => {
      await listener.listen('channel', heard)
      return true
    })
    await expectToBeHeard(heard)
    expect(new Set(heard.texts).size).toBe(heard.texts.length)
  })

  test('refuses a pooler in transaction mode, through which nothing comes, and says what to do', async () => {
    const bouncer = await PgBouncer.start(server.port)
    afterwards.push(() => bouncer.dispose())
    const listener = await listenerOf(await make(bouncer.url()))
    await expect(listener.listen('channel', new Heard())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/pooler in transaction mode.*listen: false/su) as string,
    })
  })
})

describe('a connection that was cut silently', () => {
  test('is noticed, and another takes its place', async () => {
    const proxy = await TcpProxy.start(server.port)
    afterwards.push(() => proxy.stop())
    const pool = new Pool({ host: '127.0.0.1', port: proxy.port, user: 'postgres', database: 'postgres' })
    pool.on('error', () => undefined)
    // The pool of the commands goes around the proxy, so that only the listener is cut.
    const around = new Pool({ connectionString: server.url() })
    afterwards.push(
      () => pool.end(),
      () => around.end(),
    )
    const [notifier, commands] = [await connect(pool, 1), await connect(around, 3)]
    const open = notifier.openNotifications
    if (open === undefined) throw new Error('A pool of pg can listen.')
    const notify = (channel: string): Promise<unknown> =>
      commands.query('SELECT pg_notify($1::text, $2::text)', [channel, ''])
    const listener = new Listener({ name: 'proxied', heals: false, open, notify }, QUICK)
    afterwards.push(() => listener.close())
    const heard = new Heard()
    await listener.listen('channel', heard)
    proxy.silence()
    await until('it says that it may have missed something', () => heard.interruptions > 0)
    await expectToBeHeard(heard)
  })

  test('makes a client that cannot replace it look at intervals', async () => {
    const proxy = await TcpProxy.start(server.port)
    afterwards.push(() => proxy.stop())
    const sql = postgres(`postgres://postgres@127.0.0.1:${proxy.port}/postgres`)
    afterwards.push(() => sql.end({ timeout: 0 }))
    const [notifier, commands] = [await connect(sql, 1), await connect(server.url(), 3)]
    afterwards.push(() => commands.close())
    const open = notifier.openNotifications?.bind(notifier)
    if (open === undefined) throw new Error('A client of postgres can listen.')
    const notify = (channel: string): Promise<unknown> =>
      commands.query('SELECT pg_notify($1::text, $2::text)', [channel, ''])
    const listener = new Listener({ name: 'proxied', heals: true, open, notify }, QUICK)
    afterwards.push(() => listener.close())
    const heard = new Heard()
    await listener.listen('channel', heard)
    proxy.silence()
    await until('it looks at intervals', () => heard.interruptions > 3)
    // When the system gives the connection up the library opens another.
    proxy.reset()
    await expectToBeHeard(heard)
  })
})

describe('without notifications', () => {
  test('everybody who listens looks at intervals, until they leave', async () => {
    const listener = new Listener(undefined, QUICK)
    afterwards.push(() => listener.close())
    const [leaving, staying] = [new Heard(), new Heard()]
    const subscription = await listener.listen('a', leaving)
    await listener.listen('b', staying)
    await until('both have looked', () => leaving.interruptions > 1 && staying.interruptions > 1)
    await subscription.close()
    const left = leaving.interruptions
    const before = staying.interruptions
    await until('the other goes on', () => staying.interruptions > before + 2)
    expect(leaving.interruptions).toBe(left)
  })
})

/** Notifies until something arrives: a listener that was away may miss what came before it was back. */
async function expectToBeHeard(heard: Heard): Promise<void> {
  let number = 0
  const client = new Client({ connectionString: server.url() })
  await client.connect()
  try {
    const isHeard = async (): Promise<boolean> => {
      number += 1
      await client.query(`SELECT pg_notify('channel', 'number ${number}')`)
      return heard.texts.some((text) => text.startsWith('number'))
    }
    // After refusals the library postgres rests for up to 20 s.
    await until('a notification arrives', isHeard, 30_000)
  } finally {
    await client.end()
  }
}

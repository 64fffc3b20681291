import { beforeEach, describe, expect, test } from 'vitest'
import { LockLoad } from '../support/lock-load.ts'
import { until } from '../support/polling.ts'
import { inLine, lossOf, ownServer, redisLocks, servedInOrder } from '../support/redis-locks.ts'
import { RedisServer } from '../support/redis-server.ts'
import { makeTlsFiles } from '../support/redis-tls.ts'

const LONG = { timeout: '1h', waitTimeout: 'forever' } as const
/** Nobody is taken for dead, and no heartbeat comes so soon that it would do another's work. */
const PATIENT = { heartbeat: '2s' } as const

const registers = await RedisServer.start()
let server: RedisServer
beforeEach(async () => {
  server = await ownServer()
})

function threeLocks(): [Locks, Locks, Locks] {
  return [redisLocks(server.url, PATIENT), redisLocks(server.url, PATIENT), redisLocks(server.url, PATIENT)]
}
type Locks = ReturnType<typeof redisLocks>

/** Breaks the connections of one kind, except the tests' own; how many that were. */
async function killConnections(type: 'normal' | 'pubsub'): Promise<number> {
  return Number(await server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'))
}

describe('CLIENT KILL', () => {
  test.each(['normal', 'pubsub'] as const)(
    'of every %s connection costs neither who holds nor who waits anything',
    { timeout: 30_000 },
    async (type) => {
      const [a, b, c] = threeLocks()
      const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
      const waits = await inLine([b, c], 'r:x', LONG)
      expect(await killConnections(type)).toBeGreaterThanOrEqual(3)
      expect(await held.release()).toBe(true)
      const fences = await servedInOrder(waits)
      expect(fences).toEqual(fences.toSorted((one, other) => one - other))
      expect(fences[0]).toBeGreaterThan(held.fencingToken)
    },
  )

  test('of the subscriber loses no grant that comes at that moment', { timeout: 60_000 }, async () => {
    const [a, b] = threeLocks()
    for (let round = 0; round < 10; round += 1) {
      const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
      const [wait] = await inLine([b], 'r:x', LONG)
      // In one go, in this order or the other: the push finds no subscriber, or a dying one.
      const kill = (): Promise<unknown> => killConnections('pubsub')
      const release = (): Promise<unknown> => held.release()
      await Promise.all((round % 2 === 0 ? [kill, release] : [release, kill]).map((act) => act()))
      const next = await wait
      expect(next?.fencingToken).toBeGreaterThan(held.fencingToken)
      await next?.release()
    }
  })

  test('in the middle of calls repeats them, and each is done once', { timeout: 60_000 }, async () => {
    const [a] = threeLocks()
    await (await a.acquire('r:warm', { agentId: 'a' })).release()
    const locks: ReturnType<Locks['acquire']>[] = []
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 5; i += 1) {
        const lock = a.acquire(`r:${round}/${i}`, { agentId: 'a', ...LONG })
        // Awaited below; until then nobody looks at it.
        lock.catch(() => {})
        locks.push(lock)
      }
      await killConnections('normal')
    }
    const held = await Promise.all(locks)
    const listed: number[] = []
    for await (const info of a.listLocks()) listed.push(info.fencingToken)
    expect(new Set(listed)).toEqual(new Set(held.map((lock) => lock.fencingToken)))
    const releases = held.map((lock) => lock.release())
    await killConnections('normal')
    expect(new Set(await Promise.all(releases))).toEqual(new Set([true]))
    for await (const info of a.listLocks()) expect(info).toBeUndefined()
  })

  test('of all of them under load, again and again, loses no write', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start(threeLocks(), registers.port)
    for (let round = 0; round < 10; round += 1) {
      await load.turns(1)
      await Promise.all([killConnections('normal'), killConnections('pubsub')])
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [], losses: 0 })
  })
})

test('a connection over TLS that breaks costs nobody anything either', { timeout: 30_000 }, async () => {
  const tls = makeTlsFiles()
  server = await ownServer({ tls, password: 'open sesame' })
  const options = { ...PATIENT, store: { tls: { ca: tls.ca } } }
  const [a, b] = [redisLocks(server.url, options), redisLocks(server.url, options)]
  const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
  const [wait] = await inLine([b], 'r:x', LONG)
  await killConnections('normal')
  await killConnections('pubsub')
  expect(await held.release()).toBe(true)
  expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
})

describe.each(['ALL', 'WRITE'] as const)('CLIENT PAUSE %s', (mode) => {
  test('that is shorter than a lease is sat out', { timeout: 30_000 }, async () => {
    const [a, b, c] = threeLocks()
    const held = await a.acquire('r:x', { agentId: 'a', ...LONG })
    const waits = await inLine([b, c], 'r:x', LONG)
    await server.command('CLIENT', 'PAUSE', 400, mode)
    expect(await held.release()).toBe(true)
    const fences = await servedInOrder(waits)
    expect(fences).toEqual(fences.toSorted((one, other) => one - other))
    expect(fences[0]).toBeGreaterThan(held.fencingToken)
  })

  test('that is longer than a lease is told to its holder, and the next is served', { timeout: 30_000 }, async () => {
    const [a, b, c] = threeLocks()
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '500ms', waitTimeout: 'forever' })
    const renewed = await c.acquire('r:y', { agentId: 'c', timeout: '500ms', autoExtend: true })
    const [wait] = await inLine([b], 'r:x', LONG)
    await server.command('CLIENT', 'PAUSE', 1_500, mode)
    expect(await lossOf(held)).toMatchObject({ loss: { kind: 'expired' } })
    expect(await lossOf(renewed)).toMatchObject({ loss: { kind: 'unreachable' } })
    const next = await wait
    expect(next?.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await held.release()).toBe(false)
    expect(await a.getOwner('r:x')).toBe('waiter-0')
    // What its holder has given up is free once the server can be reached.
    await expect(b.acquire('r:y', { agentId: 'b' })).resolves.toMatchObject({ isHeld: true })
  })

  test('under load loses no write', { timeout: 60_000 }, async () => {
    const load = await LockLoad.start(threeLocks(), registers.port)
    for (const pauseMs of [200, 1_300, 200]) {
      await load.turns(2)
      await server.command('CLIENT', 'PAUSE', pauseMs, mode)
    }
    await load.turns(3)
    expect(await load.stop()).toMatchObject({ problems: [] })
  })
})

describe('a server that stands still', () => {
  test('for longer than a lease is like a pause', { timeout: 30_000 }, async () => {
    const [a, b] = threeLocks()
    const held = await a.acquire('r:x', { agentId: 'a', timeout: '500ms', waitTimeout: 'forever' })
    const [wait] = await inLine([b], 'r:x', LONG)
    server.freeze()
    expect((await lossOf(held)).code).toBe('LOST')
    server.thaw()
    expect((await wait)?.fencingToken).toBeGreaterThan(held.fencingToken)
  })

  test('for longer than callers wait is told to them, and nothing stays locked', { timeout: 30_000 }, async () => {
    const [a, b] = threeLocks()
    await a.connect()
    const kept = await b.acquire('r:kept', { agentId: 'b', ...LONG })
    // The connection for commands and the subscription are there before nobody answers any more.
    await (await a.acquire('r:x', { agentId: 'a' })).release()
    server.freeze()
    await expect(a.acquire('r:x', { agentId: 'a', ...LONG })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    server.thaw()
    await until('nobody has it', async () => (await b.getOwner('r:x')) === null)
    await expect(b.acquire('r:x', { agentId: 'b' })).resolves.toMatchObject({ isHeld: true })
    await expect(a.acquire('r:y', { agentId: 'a' })).resolves.toMatchObject({ isHeld: true })
    kept.assertHeld()
    expect(await kept.release()).toBe(true)
  })
})

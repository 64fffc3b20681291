import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { GuardedRegister } from '../support/guarded-register.ts'
import { until } from '../support/polling.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { type Held, LockProcess, runToEnd } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'

const LONG = { timeout: '1h' }
const STARTED_AT_ONCE = 10
const EXIT_PROGRAM = join(import.meta.dirname, '../e2e/exit-process.ts')

const [server, registers] = await Promise.all([PostgresServer.start(), RedisServer.start()])
afterAll(() => server.dispose())

let url = ''
beforeEach(async () => {
  url = server.url(await server.createDatabase())
})

function start(count: number): Promise<LockProcess[]> {
  return Promise.all(Array.from({ length: count }, () => LockProcess.start(url)))
}

/** Asks for what somebody holds, and resolves with the wait once it stands in line. */
async function standing(process: LockProcess, place: number, options: object): Promise<() => Promise<Held>> {
  const wait = process.acquire('r:x', options)
  wait.catch(() => undefined)
  await until(`${place} wait`, async () => (await process.call<number>('waiters', 'r:x')) === place)
  return () => wait
}

describe('processes on one database', () => {
  test('that start at once on an empty one install it once, and share it', { timeout: 60_000 }, async () => {
    const all = await start(STARTED_AT_ONCE)
    const waits = all.map(async (process) => {
      const held = await process.acquire('r:x', LONG)
      await process.call('release', held.handle)
      return held.fencingToken
    })
    const fences = await Promise.all(waits)
    expect(new Set(fences).size).toBe(STARTED_AT_ONCE)
    const history = await server.run('SELECT version FROM holdfast.installations', [], url.split('/').at(-1))
    expect(history).toHaveLength(1)
  })

  test('hand a lock over in the order in which they asked, with rising tokens', { timeout: 30_000 }, async () => {
    const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('r:x', LONG)
    const first = await standing(b, 1, LONG)
    const second = await standing(c, 2, LONG)
    await a.call('release', held.handle)
    const next = await first()
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    await b.call('release', next.handle)
    expect((await second()).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('get the lock of a killed holder when its lease is over, and not before', { timeout: 30_000 }, async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const held = await a.acquire('r:x', { timeout: '1500ms' })
    const wait = await standing(b, 1, LONG)
    await a.kill()
    const next = await wait()
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(next.lockedAt).toBeGreaterThanOrEqual(held.lockedAt + 1_500 - 5)
  })

  test('pass over a killed process in line', { timeout: 30_000 }, async () => {
    const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('r:x', LONG)
    await standing(b, 1, LONG)
    const wait = await standing(c, 2, LONG)
    await b.kill()
    await a.call('release', held.handle)
    expect((await wait()).fencingToken).toBeGreaterThan(held.fencingToken)
  })

  test('pass over a stopped process in line, which waits again when it goes on', { timeout: 30_000 }, async () => {
    const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('r:x', LONG)
    const stopped = await standing(b, 1, LONG)
    const wait = await standing(c, 2, LONG)
    b.signal('SIGSTOP')
    await a.call('release', held.handle)
    const next = await wait()
    b.signal('SIGCONT')
    await c.call('release', next.handle)
    expect((await stopped()).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('take over from a stopped holder, whose late write is refused', { timeout: 30_000 }, async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const key = randomUUID()
    const held = await a.acquire('r:x', { timeout: '1s' })
    a.signal('SIGSTOP')
    const next = await b.acquire('r:x', LONG)
    const register = await GuardedRegister.open(registers.port, key)
    expect(await register.write(next.fencingToken, 1)).toBe(true)
    const late = a.call<boolean>('write', held.handle, registers.port, key, 2)
    a.signal('SIGCONT')
    expect(await late).toBe(false)
    await until('it knows of its loss', async () => {
      return !(await a.call<{ isHeld: boolean }>('seen', held.handle)).isHeld
    })
    expect(await register.read()).toBe(1)
    register.close()
  })

  test('lose no guarded write, though one after the other is killed', { timeout: 60_000 }, async () => {
    const key = randomUUID()
    const everyone: LockProcess[] = []
    const newcomer = async (): Promise<LockProcess> => {
      const [process] = await start(1)
      if (process === undefined) throw new Error('No process was started.')
      everyone.push(process)
      process.call('countIn', registers.port, key, 'r:x').catch(() => undefined)
      return process
    }
    const alive = await Promise.all([newcomer(), newcomer(), newcomer()])
    for (let round = 0; round < 4; round += 1) {
      const victim = alive.shift()
      await until('it has counted', () => (victim?.said.length ?? 0) > 3, 20_000)
      await victim?.kill()
      alive.push(await newcomer())
    }
    for (const process of alive) await process.kill()
    const register = await GuardedRegister.open(registers.port, key)
    const accepted = await register.accepted()
    expect(await register.read()).toBe(accepted.length)
    expect(accepted).toEqual(accepted.toSorted((one, other) => one - other))
    register.close()
  })
})

describe('a process with a manager on Postgres', () => {
  test.each([
    ['has used everything and closed', 'everything', 'aborted\nCLOSED\nresources []\n'],
    ['never closes and holds a lock', 'holds', 'holds\n'],
    ['never closes and has nothing to do', 'idles', 'false\n'],
    ['awaits a lock, which it gets', 'waits', 'granted true\n'],
    ['awaits a lock for a while', 'waits a while', 'WAIT_TIMEOUT\n'],
    ['watches until it has seen enough', 'watches', 'resource.expired\n'],
  ])('that %s exits by itself', { timeout: 40_000 }, async (_, what, output) => {
    expect(await runToEnd(EXIT_PROGRAM, [what, url], 30_000)).toEqual({ code: 0, signal: null, output, errors: '' })
  })
})

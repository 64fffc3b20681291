import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { GuardedRegister } from '../support/guarded-register.ts'
import { until } from '../support/polling.ts'
import { type Held, LockProcess } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'

/** Longer than any of these tests: whoever waited for such a lease to run out would not be done in time. */
const LONG = { timeout: '1h' }

const [server, registers] = await Promise.all([RedisServer.start(), RedisServer.start()])
beforeEach(() => server.command('FLUSHALL'))

function start(count: number): Promise<LockProcess[]> {
  return Promise.all(Array.from({ length: count }, () => LockProcess.start(server.url)))
}

/** Several processes ask for the same, one after the other. */
async function line(holder: LockProcess, waiters: readonly LockProcess[], options: object): Promise<Promise<Held>[]> {
  const waits: Promise<Held>[] = []
  for (const [index, waiter] of waiters.entries()) {
    const wait = waiter.acquire('x', options)
    wait.catch(() => {})
    waits.push(wait)
    await until(`${index + 1} wait`, async () => (await holder.call<number>('waiters', 'x')) === index + 1)
  }
  return waits
}

describe('processes on one Redis', () => {
  test('hand a lock over in the order in which they asked, with rising tokens', { timeout: 30_000 }, async () => {
    const [a, b, c, d] = (await start(4)) as [LockProcess, LockProcess, LockProcess, LockProcess]
    let last = await a.acquire('x', LONG)
    const waits = await line(a, [b, c, d], LONG)
    await a.call('release', last.handle)
    for (const [index, process] of [b, c, d].entries()) {
      const next = (await waits[index]) as Held
      expect(next.fencingToken).toBeGreaterThan(last.fencingToken)
      expect(await process.call('previous', next.handle)).toMatchObject({ fencingToken: last.fencingToken })
      expect(await process.call('release', next.handle)).toBe(true)
      last = next
    }
    expect(await a.call('owner', 'x')).toBeNull()
  })

  test('get the lock of a killed holder when its lease is over, and not before', { timeout: 30_000 }, async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const held = await a.acquire('x', { timeout: '1500ms' })
    const [wait] = await line(b, [b], LONG)
    await a.kill()
    const next = (await wait) as Held
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(next.lockedAt).toBeGreaterThanOrEqual(held.lockedAt + 1_500 - 5)
    expect(await b.call('previous', next.handle)).toMatchObject({ agentId: `process-${a.pid}` })
  })

  test(
    'skip a killed process at the head of the line, however long a lease it wanted',
    { timeout: 30_000 },
    async () => {
      const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
      const held = await a.acquire('x', LONG)
      const [, wait] = await line(a, [b, c], LONG)
      await b.kill()
      await a.call('release', held.handle)
      const next = (await wait) as Held
      expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
      expect(await a.call('owner', 'x')).toBe(`process-${c.pid}`)
    },
  )

  test('skip a killed process in the middle of the line', { timeout: 30_000 }, async () => {
    const [a, b, c, d] = (await start(4)) as [LockProcess, LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('x', LONG)
    const [first, , third] = await line(a, [b, c, d], LONG)
    await c.kill()
    await a.call('release', held.handle)
    const next = (await first) as Held
    await b.call('release', next.handle)
    expect(((await third) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
  })
})

describe('a process that stood still past its lease', () => {
  test('finds its lock lost, and what it writes all the same is refused', { timeout: 30_000 }, async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const key = randomUUID()
    const register = await GuardedRegister.open(registers.port, key)
    const held = await a.acquire('x', { timeout: '1s' })
    expect(await register.enter(held.fencingToken)).toBe(true)
    const before = await register.read()
    a.signal('SIGSTOP')
    const next = await b.acquire('x', LONG)
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await register.addOne(next.fencingToken)).toBe(true)
    // What it was about to do comes first when it goes on, before it can look at a clock.
    const written = a.call('write', held.handle, registers.port, key, before + 1)
    const doing = a.call('assertHeld', held.handle)
    const seen = a.call('seen', held.handle)
    doing.catch(() => {})
    a.signal('SIGCONT')
    expect(await written).toBe(false)
    await expect(doing).rejects.toMatchObject({ code: 'LOST', loss: { kind: 'expired' } })
    expect(await seen).toEqual({ isHeld: false, aborted: true })
    expect(await register.accepted()).toEqual([next.fencingToken])
    expect(await a.call('release', held.handle)).toBe(false)
    expect(await a.call('owner', 'x')).toBe(`process-${b.pid}`)
    register.close()
  })

  test('finds that lost which was renewed by itself', { timeout: 30_000 }, async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const held = await a.acquire('x', { timeout: '500ms', autoExtend: true })
    a.signal('SIGSTOP')
    const next = await b.acquire('x', LONG)
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    const doing = a.call('assertHeld', held.handle)
    doing.catch(() => {})
    a.signal('SIGCONT')
    await expect(doing).rejects.toMatchObject({ code: 'LOST' })
    expect(await b.call('seen', next.handle)).toEqual({ isHeld: true, aborted: false })
  })
})

test('a process that stood still while it waited goes to the end of the line', { timeout: 30_000 }, async () => {
  const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
  const held = await a.acquire('x', LONG)
  const [first, second] = await line(a, [b, c], LONG)
  b.signal('SIGSTOP')
  await a.call('release', held.handle)
  const next = (await second) as Held
  b.signal('SIGCONT')
  await until('it waits again', async () => (await a.call<number>('waiters', 'x')) === 1)
  await c.call('release', next.handle)
  expect(((await first) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
})

test('processes that are killed and started again under load lose no guarded write', { timeout: 60_000 }, async () => {
  const key = randomUUID()
  const register = await GuardedRegister.open(registers.port, key)
  const count = async (): Promise<LockProcess> => {
    const [process] = (await start(1)) as [LockProcess]
    process.call('countIn', registers.port, key, 'x').catch(() => {})
    return process
  }
  const running = await Promise.all([0, 1, 2].map(count))
  const turns = async (goal: number): Promise<void> => {
    const goals = running.map((process) => process.said.length + goal)
    await until(
      'all have had turns',
      () => running.every(({ said }, index) => said.length >= (goals[index] ?? 0)),
      20_000,
    )
  }
  for (let kill = 0; kill < 2; kill += 1) {
    await turns(5)
    await running.shift()?.kill()
    running.push(await count())
  }
  await turns(5)
  await Promise.all(running.map((process) => process.call('stop')))
  await Promise.all(running.map((process) => process.call('close')))
  expect(await register.read()).toBe((await register.accepted()).length)
  register.close()
})

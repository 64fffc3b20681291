import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Held, LockProcess, temporaryFolder } from '../support/processes.ts'

/** Longer than any of these tests: whoever waited for such a lease to run out would not be done in time. */
const LONG = { timeout: '1h' }

function start(count: number): Promise<LockProcess[]> {
  const store = `sqlite:${join(temporaryFolder(), 'locks.db')}`
  return Promise.all(Array.from({ length: count }, () => LockProcess.start(store)))
}

/** Resolves once so many processes wait for a resource. */
async function untilWaiting(asked: LockProcess, resource: string, count: number): Promise<void> {
  while ((await asked.call<number>('waiters', resource)) < count) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Several processes ask for the same, one after the other. */
async function line(holder: LockProcess, waiters: readonly LockProcess[], options: object): Promise<Promise<Held>[]> {
  const waits: Promise<Held>[] = []
  for (const [index, waiter] of waiters.entries()) {
    const wait = waiter.acquire('x', options)
    wait.catch(() => {})
    waits.push(wait)
    await untilWaiting(holder, 'x', index + 1)
  }
  return waits
}

describe('processes on one SQLite file', () => {
  test('hand a lock over in the order in which they asked, with rising tokens', async () => {
    const [a, b, c, d] = (await start(4)) as [LockProcess, LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('x', LONG)
    const waits = await line(a, [b, c, d], LONG)
    let last = held
    await a.call('release', held.handle)
    for (const [index, process] of [b, c, d].entries()) {
      const next = (await waits[index]) as Held
      expect(next.fencingToken).toBeGreaterThan(last.fencingToken)
      expect(await process.call('previous', next.handle)).toMatchObject({ fencingToken: last.fencingToken })
      expect(await a.call('owner', 'x')).toBe(`process-${process.pid}`)
      expect(await process.call('release', next.handle)).toBe(true)
      last = next
    }
    expect(await a.call('owner', 'x')).toBeNull()
  })

  test('get the lock of a killed holder when its lease is over, and not before', async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const held = await a.acquire('x', { timeout: '1500ms' })
    const [wait] = await line(b, [b], LONG)
    await a.kill()
    const next = (await wait) as Held
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(next.lockedAt).toBeGreaterThanOrEqual(held.lockedAt + 1_500 - 5)
    expect(await b.call('previous', next.handle)).toMatchObject({ agentId: `process-${a.pid}` })
  })

  test('skip a killed process at the head of the line, however long a lease it wanted', async () => {
    const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('x', LONG)
    const [, wait] = await line(a, [b, c], LONG)
    await b.kill()
    await a.call('release', held.handle)
    const next = (await wait) as Held
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    expect(await a.call('owner', 'x')).toBe(`process-${c.pid}`)
  })

  test('skip a killed process in the middle of the line', async () => {
    const [a, b, c, d] = (await start(4)) as [LockProcess, LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('x', LONG)
    const [first, , third] = await line(a, [b, c, d], LONG)
    await c.kill()
    await a.call('release', held.handle)
    const next = (await first) as Held
    await b.call('release', next.handle)
    expect(((await third) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('find their lock lost when they stood still past its lease, before they do anything', async () => {
    const [a, b] = (await start(2)) as [LockProcess, LockProcess]
    const held = await a.acquire('x', { timeout: '1s' })
    a.signal('SIGSTOP')
    const next = await b.acquire('x', LONG)
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
    const doing = a.call('assertHeld', held.handle)
    const seen = a.call('seen', held.handle)
    doing.catch(() => {})
    a.signal('SIGCONT')
    await expect(doing).rejects.toMatchObject({ code: 'LOST', loss: { kind: 'expired' } })
    expect(await seen).toEqual({ isHeld: false, aborted: true })
    expect(await a.call('release', held.handle)).toBe(false)
    expect(await b.call('seen', next.handle)).toEqual({ isHeld: true, aborted: false })
    expect(await a.call('owner', 'x')).toBe(`process-${b.pid}`)
  })

  test('go to the end of the line when they stood still while they waited', async () => {
    const [a, b, c] = (await start(3)) as [LockProcess, LockProcess, LockProcess]
    const held = await a.acquire('x', LONG)
    const [first, second] = await line(a, [b, c], LONG)
    b.signal('SIGSTOP')
    await a.call('release', held.handle)
    const next = (await second) as Held
    b.signal('SIGCONT')
    await untilWaiting(a, 'x', 1)
    await c.call('release', next.handle)
    expect(((await first) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
  })

  test('lose no guarded count, though one after the other is killed', async () => {
    const folder = temporaryFolder()
    const [store, counter] = [`sqlite:${join(folder, 'locks.db')}`, join(folder, 'counter.json')]
    const read = (): Record<string, number> => JSON.parse(readFileSync(counter, 'utf8')) as Record<string, number>
    const everyone: LockProcess[] = []
    const join4 = async (): Promise<LockProcess> => {
      const process = await LockProcess.start(store)
      everyone.push(process)
      process.call('count', counter, 'x').catch(() => {})
      return process
    }
    const running = await Promise.all([0, 1, 2, 3].map(join4))
    for (let kill = 0; kill < 4; kill += 1) {
      const victim = running.shift() as LockProcess
      while (victim.said.length < 10) await new Promise((resolve) => setTimeout(resolve, 5))
      await victim.kill()
      running.push(await join4())
    }
    for (const process of running) {
      while (process.said.length < 10) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await Promise.all(running.map((process) => process.call('stop')))
    await Promise.all(running.map((process) => process.call('close')))
    const counts = read()
    for (const { pid, said } of everyone) {
      const counted = counts[`process-${pid}`] ?? 0
      expect(counted).toBeGreaterThanOrEqual(said.length)
      // What was written just before the kill could not be said any more.
      expect(counted).toBeLessThanOrEqual(said.length + 1)
    }
  }, 40_000)

  test('get fair shares of one hot resource', async ({ annotate }) => {
    const processes = await start(4)
    // Warm-up: whoever is compiled first would win the first rounds.
    const lap = (ms: number) =>
      Promise.all(
        processes.map((process) =>
          process.call<{ count: number; longestWaitMs: number; longestStallMs: number }>(
            'hammer',
            'x',
            Date.now() + ms,
          ),
        ),
      )
    await lap(500)
    const shares = await lap(3_000)
    await annotate(JSON.stringify(shares))
    const counts = shares.map(({ count }) => count)
    expect(Math.min(...counts)).toBeGreaterThan(20)
    expect(Math.min(...counts) / Math.max(...counts)).toBeGreaterThanOrEqual(0.6)
  })
})

import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { GuardedRegister } from './guarded-register.ts'
import { until } from './polling.ts'
import { type Held, LockProcess } from './processes.ts'
import { sharedServer } from './redis-table.ts'

/** Longer than any of these tests: whoever waited for such a lease to run out would not be done in time. */
const LONG = { timeout: '1h' }

/** How long a machine that has other things to do may take for a few turns of several processes. */
const TURNS_WITHIN_MS = 30_000

/** What processes that share a store may rely on: the same on every store. @param fresh the URL of a store of its own */
export function processCases(place: string, fresh: () => string | Promise<string>): void {
  describe(`processes on ${place}`, () => {
    let url = ''
    beforeEach(async () => {
      url = await fresh()
    })

    const start = (): Promise<LockProcess> => LockProcess.start(url)

    test('hand a lock over in the order in which they asked, with rising tokens', async () => {
      const [a, b, c, d] = await Promise.all([start(), start(), start(), start()])
      let last = await a.acquire('x', LONG)
      const waits = await line(a, [b, c, d])
      await a.call('release', last.handle)
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
      const [a, b] = await Promise.all([start(), start()])
      const held = await a.acquire('x', { timeout: '1500ms' })
      const wait = b.acquire('x', LONG)
      await a.kill()
      const next = await wait
      expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
      expect(next.lockedAt).toBeGreaterThanOrEqual(held.lockedAt + 1_500 - 5)
      expect(await b.call('previous', next.handle)).toMatchObject({ agentId: `process-${a.pid}` })
    })

    test('skip a killed process at the head of the line, however long a lease it wanted', async () => {
      const [a, b, c] = await Promise.all([start(), start(), start()])
      const held = await a.acquire('x', LONG)
      const [, wait] = await line(a, [b, c])
      await b.kill()
      await a.call('release', held.handle)
      const next = (await wait) as Held
      expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
      expect(await a.call('owner', 'x')).toBe(`process-${c.pid}`)
    })

    test('skip a killed process in the middle of the line', async () => {
      const [a, b, c, d] = await Promise.all([start(), start(), start(), start()])
      const held = await a.acquire('x', LONG)
      const [first, , third] = await line(a, [b, c, d])
      await c.kill()
      await a.call('release', held.handle)
      const next = (await first) as Held
      await b.call('release', next.handle)
      expect(((await third) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
    })

    test('go to the end of the line when they stood still while they waited', async () => {
      const [a, b, c] = await Promise.all([start(), start(), start()])
      const held = await a.acquire('x', LONG)
      const [first, second] = await line(a, [b, c])
      b.signal('SIGSTOP')
      await a.call('release', held.handle)
      const next = (await second) as Held
      b.signal('SIGCONT')
      await untilWaiting(a, 1)
      await c.call('release', next.handle)
      expect(((await first) as Held).fencingToken).toBeGreaterThan(next.fencingToken)
    })

    test('find their lock lost when they stood still past its lease, before they do anything', async () => {
      const [a, b] = await Promise.all([start(), start()])
      const { register, port, key } = await freshRegister()
      const held = await a.acquire('x', { timeout: '1s' })
      expect(await register.enter(held.fencingToken)).toBe(true)
      a.signal('SIGSTOP')
      const next = await b.acquire('x', LONG)
      expect(next.fencingToken).toBeGreaterThan(held.fencingToken)
      expect(await register.addOne(next.fencingToken)).toBe(true)
      // What it was about to do comes first when it goes on, before it can look at a clock.
      const written = a.call('write', held.handle, port, key, 7)
      const doing = a.call('assertHeld', held.handle)
      const seen = a.call('seen', held.handle)
      doing.catch(() => {})
      a.signal('SIGCONT')
      expect(await written).toBe(false)
      await expect(doing).rejects.toMatchObject({ code: 'LOST', loss: { kind: 'expired' } })
      expect(await seen).toEqual({ isHeld: false, aborted: true })
      expect(await register.accepted()).toEqual([next.fencingToken])
      expect(await a.call('release', held.handle)).toBe(false)
      expect(await b.call('seen', next.handle)).toEqual({ isHeld: true, aborted: false })
      expect(await a.call('owner', 'x')).toBe(`process-${b.pid}`)
      register.close()
    })

    test('find that lost, too, which was renewed by itself', async () => {
      const [a, b] = await Promise.all([start(), start()])
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

    test('lose no guarded write, though one after the other is killed and started again', async () => {
      const { register, port, key } = await freshRegister()
      const counting = async (): Promise<LockProcess> => {
        const process = await start()
        process.call('countIn', port, key, 'x').catch(() => {})
        return process
      }
      const running = await Promise.all([counting(), counting(), counting()])
      const turns = async (count: number): Promise<void> => {
        const goals = running.map(({ said }) => said.length + count)
        const isThere = (): boolean => running.every(({ said }, index) => said.length >= (goals[index] ?? 0))
        await until('all have had turns', isThere, TURNS_WITHIN_MS)
      }
      for (let kill = 0; kill < 3; kill += 1) {
        await turns(4)
        await running.shift()?.kill()
        running.push(await counting())
      }
      await turns(4)
      await Promise.all(running.map((process) => process.call('stop')))
      await Promise.all(running.map((process) => process.call('close')))
      const accepted = await register.accepted()
      expect(await register.read()).toBe(accepted.length)
      expect(accepted).toEqual(accepted.toSorted((one, other) => one - other))
      register.close()
    })
  })
}

/** A guarded number on a server which nothing happens to. */
async function freshRegister(): Promise<{ register: GuardedRegister; port: number; key: string }> {
  const { port } = await sharedServer()
  const key = randomUUID()
  return { register: await GuardedRegister.open(port, key), port, key }
}

/** Several processes ask for the same, one after the other. */
async function line(holder: LockProcess, waiters: readonly LockProcess[]): Promise<Promise<Held>[]> {
  const waits: Promise<Held>[] = []
  for (const [index, waiter] of waiters.entries()) {
    const wait = waiter.acquire('x', LONG)
    wait.catch(() => {})
    waits.push(wait)
    await untilWaiting(holder, index + 1)
  }
  return waits
}

async function untilWaiting(asked: LockProcess, count: number): Promise<void> {
  await until(`${count} wait`, async () => (await asked.call<number>('waiters', 'x')) === count)
}

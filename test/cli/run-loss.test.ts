import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stateOf, until, Workshop } from '../support/run-workshop.ts'

let shop: Workshop
beforeEach(() => {
  shop = new Workshop()
})
afterEach(() => shop[Symbol.asyncDispose]())

const forced = { adminAgentId: 'admin', reason: 'stuck' }

describe('a signal while the command runs', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)(
    '%s reaches the command and all of its group, once',
    async (signal) => {
      const run = shop.run(['x:1', '--', ...shop.heartbeat('b', 'child')])
      await shop.beating('b.child')
      await shop.beating('b')
      run.process.kill(signal)
      expect(await run.ended).toMatchObject({ code: 9, stderr: '' })
      expect((await shop.silence('b')).signals.map(({ name }) => name)).toEqual([signal])
      expect(await shop.signals('b.child')).toEqual([signal])
    },
  )
})

test('SIGTSTP stops the command and us, SIGCONT continues both', async () => {
  const run = shop.run(['x:1', '--', ...shop.heartbeat('b')])
  const { pid } = await shop.beating('b')
  run.process.kill('SIGTSTP')
  await until(() => stateOf(pid) === 'T' && stateOf(run.pid) === 'T')
  run.process.kill('SIGCONT')
  await until(() => shop.beats('b')?.signals.at(-1)?.name === 'SIGCONT')
  run.process.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 9 })
})

describe('a lock that is forced away', () => {
  test('ends the command with SIGTERM', async () => {
    const run = shop.run(['x:1', '--status-file', 's', '--', ...shop.heartbeat('b')])
    await shop.beating('b')
    await shop.locks.forceUnlock('x:1', forced)
    const { code, stderr } = await run.ended
    expect(code).toBe(76)
    expect(stderr).toMatch(/^holdfast: The lock on x:1 was lost: admin ended it by force, reason: 'stuck'/)
    expect((await shop.silence('b')).signals.map(({ name }) => name)).toEqual(['SIGTERM'])
    expect(shop.status('s')).toMatchObject({ outcome: 'lost', exitCode: 76, loss: { kind: 'forced', by: 'admin' } })
  })

  test('ends with SIGKILL what does not end by itself, and all that it has started', async () => {
    const line = shop.heartbeat('b', 'deaf', 'child', 'stray')
    const run = shop.run(['x:1', '--kill-after', '700ms', '--', ...line])
    await Promise.all(['b', 'b.child', 'b.stray'].map((name) => shop.beating(name)))
    await shop.locks.forceUnlock('x:1', forced)
    expect(await run.ended).toMatchObject({ code: 76 })
    for (const name of ['b', 'b.child', 'b.stray']) {
      const { signals, last } = await shop.silence(name)
      expect(signals.map(({ name: signal }) => signal)).toEqual(['SIGTERM'])
      const [term = { at: 0 }] = signals
      expect(last - term.at).toBeGreaterThan(400)
      expect(last - term.at).toBeLessThan(2_000)
    }
  })

  test('ends what the command has started, also if the command ends by itself', async () => {
    const run = shop.run(['x:1', '--kill-after', '500ms', '--', ...shop.heartbeat('b', 'child')])
    await Promise.all(['b', 'b.child'].map((name) => shop.beating(name)))
    await shop.locks.forceUnlock('x:1', forced)
    expect(await run.ended).toMatchObject({ code: 76 })
    await shop.silence('b.child')
  })
})

describe('a store that cannot be reached', () => {
  test('ends the command with SIGTERM, and with SIGKILL before the lock can be somebody else’s', async () => {
    const line = shop.heartbeat('b', 'deaf', 'child', 'stray')
    const run = shop.run(['x:1', '--timeout', '3s', '--status-file', 's', '--', ...line])
    const { expiresAt } = await shop.beating('b')
    shop.block()
    await Promise.all(['b.child', 'b.stray'].map((name) => shop.beating(name)))
    expect(Date.now()).toBeLessThan(expiresAt - 2_000)
    const { code, stderr } = await run.ended
    shop.unblock()
    expect(code).toBe(76)
    expect(stderr).toContain('the store gave no answer')
    expect(shop.status('s')).toMatchObject({ outcome: 'lost', loss: { kind: 'unreachable' } })
    const lock = await shop.locks.acquire('x:1', { agentId: 'successor' })
    for (const name of ['b', 'b.child', 'b.stray']) {
      const { signals, last } = await shop.silence(name)
      expect(signals.map(({ name: signal }) => signal)).toEqual(['SIGTERM'])
      expect(signals[0]?.at).toBeGreaterThan(expiresAt - 1_000)
      expect(last).toBeLessThan(expiresAt)
      expect(last).toBeLessThan(lock.lockedAt.getTime())
    }
  })

  test('for less than the lease changes nothing', async () => {
    const run = shop.run(['x:1', '--timeout', '3s', '--', ...shop.heartbeat('b')])
    const { expiresAt } = await shop.beating('b')
    shop.block()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    shop.unblock()
    await new Promise((resolve) => setTimeout(resolve, expiresAt + 500 - Date.now()))
    run.process.kill('SIGTERM')
    expect(await run.ended).toMatchObject({ code: 9, stderr: '' })
  })

  test('when the command ends does not change its exit code', async () => {
    const run = shop.run(['x:1', '--', ...shop.heartbeat('b')])
    await shop.beating('b')
    shop.block()
    run.process.kill('SIGTERM')
    const { code, stderr } = await run.ended
    expect(code).toBe(9)
    expect(stderr).toContain('could not be released')
  })
})

describe('a store that has lost its data', () => {
  test('ends the command at once: the lock can be somebody else’s already', async () => {
    const run = shop.run(['x:1', '--timeout', '2s', '--', ...shop.heartbeat('b', 'deaf', 'child')])
    await Promise.all(['b', 'b.child'].map((name) => shop.beating(name)))
    await shop.locks.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${shop.database}${suffix}`, { force: true })
    const { code, stderr } = await run.ended
    expect(code).toBe(76)
    expect(stderr).toContain('the store lost its data')
    await Promise.all(['b', 'b.child'].map((name) => shop.silence(name)))
  })
})

describe('holdfast itself', () => {
  test('killed: the command is ended', async () => {
    const run = shop.run(['x:1', '--', ...shop.heartbeat('b')])
    await shop.beating('b')
    run.process.kill('SIGKILL')
    expect((await shop.silence('b')).signals.map(({ name }) => name)).toEqual(['SIGTERM'])
  })

  test('killed: what does not end gets SIGKILL', async () => {
    const line = shop.heartbeat('b', 'deaf', 'child', 'stray')
    const run = shop.run(['x:1', '--kill-after', '500ms', '--', ...line])
    await Promise.all(['b', 'b.child', 'b.stray'].map((name) => shop.beating(name)))
    run.process.kill('SIGKILL')
    for (const name of ['b', 'b.child', 'b.stray']) {
      expect((await shop.silence(name)).signals.map(({ name: signal }) => signal)).toEqual(['SIGTERM'])
    }
  })

  test('stopped: the command is killed before the lock is somebody else’s', async () => {
    const line = shop.heartbeat('b', 'deaf', 'child', 'stray')
    const run = shop.run(['x:1', '--timeout', '4s', '--', ...line])
    await Promise.all(['b', 'b.child', 'b.stray'].map((name) => shop.beating(name)))
    shop.stop(run)
    const lock = await shop.locks.acquire('x:1', { agentId: 'successor' })
    for (const name of ['b', 'b.child', 'b.stray']) {
      expect((await shop.silence(name)).last).toBeLessThan(lock.lockedAt.getTime())
    }
    run.process.kill('SIGCONT')
    expect(await run.ended).toMatchObject({ code: 76 })
  })
})

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { holdfast, until, Workshop } from '../support/run-workshop.ts'

let shop: Workshop
beforeEach(() => {
  shop = new Workshop()
})
afterEach(() => shop[Symbol.asyncDispose]())

describe('where the lock is not free', () => {
  test('it says once who holds it, why and until when, and runs when it is free', async () => {
    const lock = await shop.locks.acquire('x:1', { agentId: 'holder', reason: 'rea\u001bson' })
    const run = shop.run(['x:1', '--status-file', 's', '--', 'echo', 'ran'])
    await until(() => run.stderr().includes('\n'))
    await lock.release()
    const { code, stdout, stderr } = await run.ended
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'ran\n' })
    expect(stderr).toMatch(
      /^holdfast: waiting for x:1: held by holder \(rea\\u001bson\) since \S+Z \(\S+ ago\) until \S+Z \(in \S+\)[^\n]*\n$/,
    )
    expect(shop.status('s')?.['waitedMs']).toBeGreaterThan(0)
  })

  test('it says how many are ahead', async () => {
    const lock = await shop.locks.acquire('x:1', { agentId: 'holder' })
    const first = shop.locks.acquire('x:1', { agentId: 'first', waitTimeout: 'forever' })
    const run = shop.run(['x:1', '--', 'true'])
    await until(() => run.stderr().includes('\n'))
    expect(run.stderr()).toContain('; 1 ahead in line\n')
    await lock.release()
    await (await first).release()
    expect((await run.ended).code).toBe(0)
  })

  test.each([
    [['--wait', '200ms'], 75, 'timeout'],
    [['--wait', '0'], 75, 'busy'],
    [['--no-wait'], 75, 'busy'],
    [['--no-wait', '--conflict-exit-code', '3'], 3, 'busy'],
    [['--wait', '200ms', '--conflict-exit-code', '0'], 0, 'timeout'],
    [['--skip'], 0, 'skipped'],
  ] as const)('it ends without running the command: %s gives %i', async (args, code, outcome) => {
    await using lock = await shop.locks.acquire('x:1', { agentId: 'holder', reason: 'reason' })
    const ended = await shop.run(['x:1', ...args, '--status-file', 's', '--', 'echo', 'ran']).ended
    expect(ended).toMatchObject({ code, stdout: Buffer.of() })
    expect(shop.status('s')).toMatchObject({ outcome, exitCode: code, heldMs: 0 })
    expect(ended.stderr.includes('holder')).toBe(outcome !== 'skipped')
    lock.assertHeld()
  })

  test('readers share it, a writer waits for them', async () => {
    const first = shop.run(['x:1', '--shared', '--', ...shop.heartbeat('a')])
    await shop.beating('a')
    expect(await shop.run(['x:1', '--shared', '--no-wait', '--', 'true']).ended).toMatchObject({ code: 0 })
    expect(await shop.run(['x:1', '--no-wait', '--', 'true']).ended).toMatchObject({ code: 75 })
    first.process.kill('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 9 })
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('%s ends the waiting at once, and the place in line is free', async (signal, code) => {
    await using lock = await shop.locks.acquire('x:1', { agentId: 'holder' })
    const run = shop.run(['x:1', '--wait', 'forever', '--status-file', 's', '--', 'echo', 'ran'])
    await until(() => run.stderr().includes('\n'))
    run.process.kill(signal)
    expect(await run.ended).toMatchObject({ code, signal: null, stdout: Buffer.of() })
    expect(shop.status('s')).toMatchObject({ outcome: 'interrupted', exitCode: code, signal })
    expect(await shop.locks.getLockInfo('x:1')).toMatchObject({ waiters: 0 })
    lock.assertHeld()
  })

  test('SIGINT ends the waiting also while the store does not answer', async () => {
    await shop.locks.isLocked('x:1')
    shop.block()
    const run = shop.run(['x:1', '--wait', 'forever', '--', 'true'])
    // There is nothing to see from outside of a process that waits for a store.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const started = performance.now()
    run.process.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130 })
    expect(performance.now() - started).toBeLessThan(3_000)
  })
})

describe('a nested run', () => {
  test('that would wait for its own parent fails at once as a deadlock', async () => {
    const inner = [...holdfast, 'run', 'x:1', '--wait', 'forever', '--status-file', 's', '--', 'echo', 'ran']
    const ended = await shop.run(['x:1', '--', ...inner]).ended
    expect(ended).toMatchObject({ code: 75, stdout: Buffer.of() })
    expect(ended.stderr).toContain('wait for each other')
    expect(ended.stderr).not.toContain('waiting for')
    expect(shop.status('s')).toMatchObject({ outcome: 'deadlock', exitCode: 75 })
  })

  test('closes a circle with other trees of commands', async () => {
    const nested = (own: string, other: string): string[] => {
      const ready = `touch ${own}; while ! [ -e ${other} ]; do sleep 0.02; done; exec "$@"`
      const inner = [...holdfast, 'run', `x:${other}`, '--wait', '15s', '--', 'true']
      return [`x:${own}`, '--', 'sh', '-c', ready, 'sh', ...inner]
    }
    const both = [shop.run(nested('a', 'b')), shop.run(nested('b', 'a'))]
    const codes = (await Promise.all(both.map((run) => run.ended))).map(({ code }) => code)
    expect(new Set(codes)).toEqual(new Set([0, 75]))
  })

  test('of something else runs', async () => {
    const inner = [...holdfast, 'run', 'x:2', '--', 'printenv', 'HOLDFAST_RESOURCES', 'HOLDFAST_CHAIN']
    const script = 'printenv HOLDFAST_CHAIN; exec "$@"'
    const ended = await shop.run(['x:1', '--', 'sh', '-c', script, 'sh', ...inner]).ended
    const [outer, resources, chain] = ended.stdout.toString().split('\n')
    expect({ resources, chain }).toEqual({ resources: 'x:2', chain: outer })
  })
})

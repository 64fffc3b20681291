import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Workshop } from '../support/run-workshop.ts'

let shop: Workshop
beforeEach(() => {
  shop = new Workshop()
})
afterEach(() => shop[Symbol.asyncDispose]())

const node = process.execPath

describe('the exit code', () => {
  test.each([0, 1, 7, 75, 255])('is the one of the command: %i', async (code) => {
    expect(await shop.run(['x:1', '--', 'sh', '-c', `exit ${code}`]).ended).toMatchObject({ code, stderr: '' })
  })

  test.each([
    ['SIGKILL', 137],
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ])('is 128 + n if %s ended it', async (signal, code) => {
    const script = `kill -s ${signal.slice(3)} $$; sleep 10`
    const args = ['x:1', '--status-file', 's', '--', 'sh', '-c', script]
    expect(await shop.run(args).ended).toMatchObject({ code, stderr: '' })
    expect(shop.status('s')).toMatchObject({ outcome: 'signaled', exitCode: code, signal })
  })

  test('is 127 if there is no such program', async () => {
    const ended = await shop.run(['x:1', '--status-file', 's', '--', 'no-such-program']).ended
    expect(ended.code).toBe(127)
    expect(ended.stderr).toBe("holdfast: 'no-such-program' cannot be run: there is no such program.\n")
    expect(shop.status('s')).toMatchObject({ outcome: 'not-found', exitCode: 127 })
  })

  test.each(['.', 'text', 'text/program'])('is 126 if it cannot be executed: %s', async (name) => {
    writeFileSync(shop.path('text'), 'no program')
    chmodSync(shop.path('text'), 0o644)
    const ended = await shop.run(['x:1', '--status-file', 's', '--', shop.path(name)]).ended
    expect(ended.code).toBe(126)
    expect(ended.stderr).toContain('cannot be run')
    expect(shop.status('s')).toMatchObject({ outcome: 'not-executable', exitCode: 126 })
  })

  test('is 127 for a program without a name', async () => {
    expect(await shop.run(['x:1', '--', '']).ended).toMatchObject({ code: 127 })
  })

  test.each([
    ['no command', ['x:1']],
    ['no command after --', ['x:1', '--']],
    ['no resource', ['--', 'true']],
    ['a lease without a unit', ['--timeout', '30', 'x:1', '--', 'true']],
    ['a wait that is none', ['--wait', 'soon', 'x:1', '--', 'true']],
    ['an id that is none', ['file:../x', '--', 'true']],
    ['a status file in no folder', ['--status-file', 'none/s', 'x:1', '--', 'true']],
    ['to wait and to skip', ['--wait', '1s', '--skip', 'x:1', '--', 'true']],
  ])('is 64 for %s', async (_, args) => {
    const ended = await shop.run(args).ended
    expect(ended.code).toBe(64)
    expect(ended.stderr).not.toBe('')
  })

  test('is 64 for a chain that holdfast has not made', async () => {
    shop.env['HOLDFAST_CHAIN'] = 'x y'
    expect(await shop.run(['x:1', '--status-file', 's', '--', 'true']).ended).toMatchObject({ code: 64 })
    expect(shop.status('s')).toMatchObject({ outcome: 'usage' })
  })

  test('is 69 if the store cannot be reached', async () => {
    shop.env['HOLDFAST_STORE'] = `sqlite:${shop.path('text')}/locks.db`
    writeFileSync(shop.path('text'), '')
    const ended = await shop.run(['x:1', '--status-file', 's', '--', 'true']).ended
    expect(ended.code).toBe(69)
    expect(shop.status('s')).toMatchObject({ outcome: 'unreachable', exitCode: 69, resources: ['x:1'] })
  })
})

describe('the command', () => {
  test('has stdin, stdout and stderr to itself, byte for byte', async () => {
    const bytes = randomBytes(1_000_000)
    const ended = await shop.run(['x:1', '--', 'cat'], bytes).ended
    expect(ended.stdout.equals(bytes)).toBe(true)
    expect(await shop.run(['x:1', '--', 'sh', '-c', 'printf own >&2']).ended).toMatchObject({ stderr: 'own' })
  })

  test('gets its arguments as they are, through no shell', async () => {
    const args = ['$HOME', '*', 'a b', ';', '', '--wait', '--', "'", '\\']
    const print = 'console.log(JSON.stringify(process.argv.slice(1)))'
    const ended = await shop.run(['x:1', '--', node, '-e', print, '--', ...args]).ended
    expect(JSON.parse(ended.stdout.toString())).toEqual(args)
  })

  test('finds the lock in its environment', async () => {
    const print = 'console.log(JSON.stringify(process.env))'
    const started = Date.now()
    const args = ['x:1', 'y:2/**', '--agent', 'a', '--timeout', '1m', '--status-file', 's', '--', node, '-e', print]
    const env = JSON.parse((await shop.run(args).ended).stdout.toString()) as Record<string, string>
    expect(env['HOLDFAST_RESOURCES']).toBe('x:1\ny:2/**')
    expect(env['HOLDFAST_AGENT']).toBe('a')
    expect(env['HOLDFAST_CHAIN']).toMatch(/^[\w-]{22}$/)
    expect(Number(env['HOLDFAST_FENCE'])).toBe(shop.status('s')?.['fence'])
    const expiresAt = env['HOLDFAST_EXPIRES_AT'] ?? ''
    expect(new Date(expiresAt).toISOString()).toBe(expiresAt)
    expect(Date.parse(expiresAt)).toBeGreaterThan(started + 60_000)
    expect(Date.parse(expiresAt)).toBeLessThan(Date.now() + 60_000)
  })

  test('holds the lock as long as it lives, beyond the lease, and not longer', async () => {
    const run = shop.run(['x:1', '--timeout', '500ms', '--agent', 'a', '--', ...shop.heartbeat('b')])
    const { expiresAt } = await shop.beating('b')
    while (Date.now() < expiresAt + 1_000) {
      expect(await shop.locks.getOwner('x:1')).toBe('a')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    run.process.kill('SIGTERM')
    expect(await run.ended).toMatchObject({ code: 9 })
    expect(await shop.locks.isLocked('x:1')).toBe(false)
  })

  test.each([['true'], ['false'], ['no-such-program'], ['sh', '-c', 'kill -9 $$']])(
    'has let go of the lock once it is over: %s %s %s',
    async (...line) => {
      await shop.run(['x:1', '--', ...line]).ended
      expect(await shop.locks.isLocked('x:1')).toBe(false)
    },
  )

  test('tells others what it is, but not its options, which may be secret', async () => {
    const reasonOf = async (args: readonly string[]): Promise<unknown> => {
      const line = ['sh', 'work', '--token', 'secret']
      writeFileSync(shop.path('work'), 'sleep 60')
      const run = shop.run(['x:1', ...args, '--', ...line])
      const found = await (async () => {
        for (;;) {
          const info = await shop.locks.getLockInfo('x:1')
          if (info !== null) return info
        }
      })()
      run.process.kill('SIGTERM')
      await run.ended
      return found.reason
    }
    expect(await reasonOf([])).toBe('sh work')
    expect(await reasonOf(['--reason', 'because'])).toBe('because')
  })
})

describe('the status file', () => {
  test('says what the command did, or what holdfast did', async () => {
    await shop.run(['x:1', '--status-file', 's', '--', 'sh', '-c', 'sleep 0.2; exit 75']).ended
    expect(shop.status('s')).toEqual({
      outcome: 'exited',
      exitCode: 75,
      resources: ['x:1'],
      fence: expect.any(Number),
      waitedMs: expect.any(Number),
      heldMs: expect.any(Number),
    })
    expect(shop.status('s')?.['heldMs']).toBeGreaterThanOrEqual(200)
  })

  test('is there only once the run is over', async () => {
    writeFileSync(shop.path('s'), '{"outcome":"of an earlier run"}')
    const run = shop.run(['x:1', '--status-file', 's', '--', ...shop.heartbeat('b')])
    await shop.beating('b')
    expect(shop.status('s')).toBeUndefined()
    run.process.kill('SIGTERM')
    await run.ended
    expect(shop.status('s')).toMatchObject({ outcome: 'exited', exitCode: 9 })
  })

  test('may be a pipe', async () => {
    execFileSync('/usr/bin/mkfifo', [shop.path('pipe')])
    const text = readFile(shop.path('pipe'), 'utf8')
    expect(await shop.run(['x:1', '--status-file', 'pipe', '--', 'true']).ended).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(await text)).toMatchObject({ outcome: 'exited' })
  })
})

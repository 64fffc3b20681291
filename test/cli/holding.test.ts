import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorkshop, eventually } from '../support/cli-workshop.ts'

interface Listed {
  readonly resourceId: string
  readonly agentId: string
  readonly fencingToken: number
  readonly expiresAt: string
}

interface Acquired {
  readonly handle: string
  readonly fencingToken: number
  readonly resources: readonly { readonly resourceId: string; readonly scope: string; readonly mode: string }[]
}

let shop: CliWorkshop

beforeEach(() => {
  shop = new CliWorkshop()
})

afterEach(() => shop[Symbol.asyncDispose]())

const kept = (): string => join(shop.home, 'state/holdfast/handles')
const listed = (): Promise<readonly Listed[]> => shop.json(['ls'])
const you = { env: { HOLDFAST_AGENT: 'you' } } as const

describe('acquire', () => {
  test('prints a handle alone, and the lock outlives the command', async () => {
    const { code, stdout } = await shop.run(['acquire', 'src/a.ts'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^hf1_[\w-]+\n$/)
    expect((await listed()).map(({ resourceId, agentId }) => [resourceId, agentId])).toEqual([
      ['file:src/a.ts', 'tester'],
    ])
  })

  test('lasts ten minutes by default', async () => {
    await shop.run(['acquire', 'port:1'])
    const [lock] = await listed()
    const minutes = (Date.parse(lock?.expiresAt ?? '') - Date.now()) / 60_000
    expect(minutes).toBeGreaterThan(9)
    expect(minutes).toBeLessThan(10.1)
  })

  test('takes several resources, all together', async () => {
    const { resources } = await shop.json<Acquired>(['acquire', 'src/**', 'port:1', '--shared'])
    expect(resources).toEqual([
      { resourceId: 'file:src', scope: 'tree', mode: 'shared' },
      { resourceId: 'port:1', scope: 'node', mode: 'shared' },
    ])
  })

  test('ends with 75 where the resource is taken, at once or in time, and says by whom and why', async () => {
    await shop.run(['acquire', 'port:1', '--reason', 'the tests'])
    for (const patience of [['--no-wait'], ['--wait', '50ms']]) {
      const { code, stdout, stderr } = await shop.run(['acquire', 'port:1', ...patience], you)
      expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
      expect(stderr).toMatch(/^holdfast: [^\n]*tester[^\n]*the tests[^\n]*\n$/)
    }
  })

  test('is confirmed when it was granted in line: it outlives the dead time of its session', async () => {
    const { handle } = await shop.json<Acquired>(['acquire', 'port:1'])
    const waiting = shop.start(['acquire', 'port:1', '--json'], you)
    await eventually(async () => expect(await shop.json<readonly unknown[]>(['ls', '--waiting'])).toHaveLength(1))
    await shop.run(['release', handle])
    expect((await waiting.ended).code).toBe(0)
    const [lock] = await listed()
    expect(Date.parse(lock?.expiresAt ?? '') - Date.now()).toBeGreaterThan(500_000)
  })

  test('leaves the line when it is interrupted, and ends with 130 without a word', async () => {
    await shop.run(['acquire', 'port:1'])
    const waiting = shop.start(['acquire', 'port:1', '--wait', 'forever'], you)
    await eventually(async () => expect(await shop.json<readonly unknown[]>(['ls', '--waiting'])).toHaveLength(1))
    waiting.process.kill('SIGINT')
    expect(await waiting.ended).toEqual({ code: 130, stdout: '', stderr: '' })
    expect(await shop.json(['ls', '--waiting'])).toEqual([])
  })

  test('keeps its handle where nobody else can read it', async () => {
    await shop.run(['acquire', 'port:1'])
    const [file = ''] = readdirSync(kept())
    expect(statSync(kept()).mode & 0o777).toBe(0o700)
    expect(statSync(join(kept(), file)).mode & 0o777).toBe(0o600)
  })

  test('keeps no password of the store in a handle', async () => {
    const { formatHandle } = await import('../../src/cli/handle.ts')
    const { withoutCredentials } = await import('../../src/core/store-url.ts')
    const store = withoutCredentials('redis://jane:secret@host:6379/0?password=secret')
    const handle = formatHandle({
      store,
      namespace: 'n',
      id: 1,
      token: 't',
      fencingToken: 1,
      ttlMs: 1,
      resource: 'a:b',
      others: 0,
    })
    expect(store).toBe('redis://host:6379/0')
    expect(Buffer.from(handle.slice(12), 'base64url').toString()).not.toContain('secret')
  })
})

describe('release', () => {
  test('takes a handle, from the line or from stdin, in any folder', async () => {
    for (const through of ['argument', 'stdin']) {
      const { stdout } = await shop.run(['acquire', 'a.ts'])
      const handle = stdout.trim()
      const target = through === 'stdin' ? '-' : handle
      const env = { HOLDFAST_STORE: '' }
      const { code } = await shop.run(['release', target], { cwd: shop.folder, env, input: stdout })
      expect(code).toBe(0)
      expect(await listed()).toEqual([])
    }
  })

  test("takes a resource of one's own, and forgets its handle", async () => {
    await shop.run(['acquire', 'src/a.ts'])
    expect((await shop.run(['release', './src/../src/a.ts'])).code).toBe(0)
    expect(await listed()).toEqual([])
    expect(readdirSync(kept())).toEqual([])
  })

  test("does not take another agent's, of the same account either, and says what to do", async () => {
    await shop.run(['acquire', 'port:1'])
    const { code, stderr } = await shop.run(['release', 'port:1'], you)
    expect(code).toBe(1)
    expect(stderr).toContain("--agent 'tester'")
    expect(await listed()).toHaveLength(1)
  })

  test('ends with 1 where there is nothing to release', async () => {
    expect(await shop.run(['release', 'port:1'])).toMatchObject({ code: 1, stdout: '' })
  })

  test('ends with 76 where the lock was lost', async () => {
    const { stdout } = await shop.run(['acquire', 'port:1'])
    await shop.run(['unlock', 'port:1', '--force', '--reason', 'test', '--yes'], you)
    const { code, stderr } = await shop.run(['release', stdout.trim()])
    expect(code).toBe(76)
    expect(stderr).toContain('port:1')
  })

  test.each<[string, (handle: string) => string]>([
    ['its end', (handle) => handle.slice(0, -3)],
    ['nearly all', (handle) => handle.slice(0, 8)],
    ['its beginning', (handle) => handle.slice(3)],
    ['nothing, but with a quote', (handle) => `"${handle}`],
    ['a letter inside', (handle) => `${handle.slice(0, 50)} ${handle.slice(51)}`],
  ])('says of a handle that has lost %s that it is damaged, without repeating it', async (_, damage) => {
    const { stdout } = await shop.run(['acquire', 'port:1'])
    const damaged = damage(stdout.trim())
    for (const command of ['release', 'extend']) {
      const { code, stderr } = await shop.run([command, damaged])
      expect(code).toBe(64)
      expect(stderr).toContain('looks like a damaged handle')
      expect(stderr).not.toContain(damaged)
    }
  })

  test('refuses on stdin what is no handle', async () => {
    expect(await shop.run(['release', '-'], { input: 'port:1\n' })).toMatchObject({ code: 64 })
  })
})

describe('extend', () => {
  test("moves the end on, by a handle or a resource of one's own", async () => {
    const { handle, fencingToken } = await shop.json<Acquired>(['acquire', 'port:1', '--timeout', '1m'])
    for (const target of [handle, 'port:1']) {
      const extended = await shop.json<Listed>(['extend', target, '--timeout', '2h'])
      expect(extended.fencingToken).toBe(fencingToken)
      expect(Date.parse(extended.expiresAt) - Date.now()).toBeGreaterThan(7_100_000)
    }
  })

  test('ends with 76 where the lock is gone', async () => {
    const { handle } = await shop.json<Acquired>(['acquire', 'port:1'])
    await shop.run(['release', handle])
    expect((await shop.run(['extend', handle])).code).toBe(76)
  })
})

describe('acquire --for-pid', () => {
  test('keeps the lock beyond its timeout while the process lives, and releases it then', async () => {
    const target = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    try {
      await shop.run(['acquire', 'port:1', '--for-pid', String(target.pid), '--timeout', '1s'])
      const [first] = await listed()
      // Renewed at least once: it is there after its lease would have ended.
      await eventually(async () => {
        const [lock] = await listed()
        expect(lock?.fencingToken).toBe(first?.fencingToken)
        expect(Date.parse(lock?.expiresAt ?? '')).toBeGreaterThan(Date.parse(first?.expiresAt ?? '') + 1000)
      })
      const doctor = await shop.run(['doctor'])
      expect(doctor.stdout).toContain(`port:1 for process ${target.pid}`)
      target.kill('SIGKILL')
      await eventually(async () => expect(await listed()).toEqual([]))
    } finally {
      target.kill('SIGKILL')
    }
  })

  test('ends the keeper when the lock is released', async () => {
    await shop.run(['acquire', 'port:1', '--for-pid', String(process.pid)])
    const [file = ''] = readdirSync(kept())
    const { keeper } = JSON.parse(readFileSync(join(kept(), file), 'utf8')) as { keeper: { process: { pid: number } } }
    await shop.run(['release', 'port:1'])
    await eventually(() => expect(() => process.kill(keeper.process.pid, 0)).toThrow('ESRCH'))
  })

  test('refuses a process that is not there', async () => {
    const { code, stderr } = await shop.run(['acquire', 'port:1', '--for-pid', '4194304'])
    expect(code).toBe(64)
    expect(stderr).toContain('there is no process 4194304')
    expect(await listed()).toEqual([])
  })
})

describe('unlock', () => {
  const why = ['--force', '--reason', 'it hangs'] as const

  test('shows whom it ends, and ends it', async () => {
    await shop.run(['acquire', 'port:1', '--reason', 'the tests'])
    const { code, stderr, stdout } = await shop.run(['unlock', 'port:1', ...why, '--yes'], you)
    expect(code).toBe(0)
    expect(stderr).toMatch(/held by tester \(exclusive\): 'the tests'/)
    expect(stderr).toMatch(/last activity: .* ago \(locked port:1\)/)
    expect(stderr).not.toContain('yourself')
    expect(stdout).toBe('Ended the lock of tester on port:1.\n')
    expect(await listed()).toEqual([])
  })

  test('says when it is oneself', async () => {
    await shop.run(['acquire', 'port:1'])
    const { stderr } = await shop.run(['unlock', 'port:1', ...why, '--yes'])
    expect(stderr).toContain('this is yourself')
  })

  test.each([
    ['--force', ['--reason', 'x', '--yes']],
    ['--reason', ['--force', '--yes']],
    ['--yes', ['--force', '--reason', 'x']],
  ])('needs %s where there is no terminal', async (missing, given) => {
    await shop.run(['acquire', 'port:1'])
    const { code, stderr } = await shop.run(['unlock', 'port:1', ...given], you)
    expect(code).toBe(64)
    expect(stderr).toContain(missing)
    expect(await listed()).toHaveLength(1)
  })

  test('ends with 1 where nothing is locked', async () => {
    expect((await shop.run(['unlock', 'port:1', ...why, '--yes'])).code).toBe(1)
  })

  test('prints one array with --json', async () => {
    await shop.run(['acquire', 'port:1'])
    expect(await shop.json(['unlock', 'port:1', ...why, '--yes'], you)).toMatchObject([{ resourceId: 'port:1' }])
  })
})

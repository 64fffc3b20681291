import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorkshop, eventually, main } from '../support/cli-workshop.ts'

interface Listed {
  readonly resourceId: string
  readonly agentId: string
}

const run = promisify(execFile)
let shop: CliWorkshop

beforeEach(() => {
  shop = new CliWorkshop()
})

afterEach(() => shop[Symbol.asyncDispose]())

const named = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<readonly string[]> =>
  (await shop.json<readonly Listed[]>(['ls', ...args], { env })).map(({ resourceId }) => resourceId)

const acquireAs = async (agent: string, ...resources: readonly string[]): Promise<void> => {
  const { code, stderr } = await shop.run(['acquire', ...resources], { env: { HOLDFAST_AGENT: agent } })
  if (code !== 0) throw new Error(stderr)
}

/** Somebody who waits in line; it ends with the test. */
const waitAs = async (agent: string, ...resources: readonly string[]): Promise<void> => {
  const before = (await shop.json<readonly unknown[]>(['ls', '--waiting'])).length
  shop.start(['acquire', ...resources, '--wait', '1m', '--reason', `${agent} needs it`], {
    env: { HOLDFAST_AGENT: agent },
  })
  await eventually(async () => expect(await shop.json(['ls', '--waiting'])).toHaveLength(before + 1))
}

describe('ls', () => {
  test('is one JSON array, also when it is empty, and no line on stdout then without --json', async () => {
    expect((await shop.run(['ls', '--json'])).stdout).toBe('[]\n')
    expect((await shop.run(['ls', '--waiting', '--json'])).stdout).toBe('[]\n')
    expect(await shop.run(['ls'])).toEqual({ code: 0, stdout: '', stderr: 'Nothing is locked.\n' })
  })

  test('filters by agent, type, folder and what is mine', async () => {
    await acquireAs('tester', 'src/a.ts', 'port:1')
    await acquireAs('you', 'src/deep/b.ts', 'srcs/c.ts')
    expect(await named([])).toEqual(['file:src/a.ts', 'file:src/deep/b.ts', 'file:srcs/c.ts', 'port:1'])
    expect(await named(['--mine'])).toEqual(['file:src/a.ts', 'port:1'])
    expect(await named(['--agent', 'you'])).toEqual(['file:src/deep/b.ts', 'file:srcs/c.ts'])
    expect(await named(['--type', 'port'])).toEqual(['port:1'])
    expect(await named(['--under', 'src'])).toEqual(['file:src/a.ts', 'file:src/deep/b.ts'])
    expect(await named(['--under', '.', '--agent', 'you'])).toEqual(['file:src/deep/b.ts', 'file:srcs/c.ts'])
    expect(await named(['--under', 'port:1'])).toEqual(['port:1'])
  })

  test('takes an agent before the command for who one is, behind it for a filter', async () => {
    await acquireAs('you', 'port:1')
    const { stdout } = await shop.run(['--agent', 'you', 'ls', '--mine', '--json'])
    expect(JSON.parse(stdout)).toHaveLength(1)
  })

  test('finds everybody who waits, also behind somebody who waits', async () => {
    await acquireAs('a', 'src/**')
    await waitAs('b', 'src/x.ts', 'port:1')
    await waitAs('c', 'port:1')
    const waiting = await shop.json<readonly Listed[]>(['ls', '--waiting'])
    expect(waiting.map(({ agentId }) => agentId)).toEqual(['b', 'c'])
    expect(await shop.json(['ls', '--waiting', '--agent', 'c'])).toMatchObject([{ reason: 'c needs it' }])
    expect(await shop.json(['ls', '--waiting', '--under', '.'])).toMatchObject([{ agentId: 'b' }])
  })

  test("prints no control characters of others' texts", async () => {
    await shop.run(['acquire', 'port:1', '--reason', '\u001B[31mred\nline'])
    const { stdout } = await shop.run(['ls'])
    expect(stdout.split('\n')).toHaveLength(3)
    expect(stdout).not.toContain('\u001B')
  })
})

describe('show', () => {
  test('tells who holds it, who waits, and who held it last', async () => {
    await acquireAs('a', 'port:1')
    await waitAs('b', 'port:1')
    expect(await shop.json(['show', 'port:1'])).toMatchObject({
      resourceId: 'port:1',
      locked: true,
      holders: [{ agentId: 'a' }],
      waiting: [{ agentId: 'b', reason: 'b needs it' }],
      previous: null,
    })
    await shop.run(['release', 'port:1', '--agent', 'a'])
    await eventually(async () =>
      expect(await shop.json(['show', 'port:1'])).toMatchObject({
        holders: [{ agentId: 'b' }],
        waiting: [],
        previous: { agentId: 'a' },
      }),
    )
    const { stdout } = await shop.run(['show', 'port:1'])
    expect(stdout).toMatch(/^port:1 is locked\.\n {2}held by b \(exclusive\): 'b needs it'\n/)
    expect(stdout).toMatch(/last held by a until .* ago/)
  })

  test('shows what covers a path, and ends with 0 where nothing does', async () => {
    await acquireAs('a', 'src/**')
    expect((await shop.run(['show', 'src/deep/x.ts'])).stdout).toContain('by a lock on file:src/**')
    expect(await shop.run(['show', 'port:9'])).toMatchObject({ code: 0, stdout: 'port:9 is not locked.\n' })
  })
})

describe('watch', () => {
  test('prints one JSON object a line as it happens, and ends cleanly when it is interrupted', async () => {
    const watching = shop.start(['watch', '--json'])
    // It watches from when it is ready, which only its own events can tell.
    await eventually(async () => {
      await acquireAs('a', 'port:1')
      await shop.run(['release', 'port:1', '--agent', 'a'])
      expect(watching.stdout().split('\n').length).toBeGreaterThan(2)
    })
    watching.process.kill('SIGINT')
    const { code, stdout, stderr } = await watching.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; cursor: string })
    expect(events.map(({ type }) => type)).toContain('resource.unlocked')
    const since = shop.start(['watch', '--json', '--since', events[0]?.cursor ?? ''])
    const rest = stdout.trim().split('\n').slice(1)
    await eventually(() => expect(since.stdout().trim().split('\n').slice(0, rest.length)).toEqual(rest))
  })

  test('ends quietly when its reader has gone', async () => {
    const script = `"$NODE" "$MAIN" watch --since ${'0'.repeat(32)}.0 | head -1; echo "\${PIPESTATUS[0]}"`
    await acquireAs('a', 'port:1')
    const loop = setInterval(() => void shop.run(['acquire', `port:${Date.now()}`]), 300)
    try {
      const env = { ...shop.env, NODE: process.execPath, MAIN: main }
      const { stdout, stderr } = await run('bash', ['-c', script], { cwd: shop.tree, env })
      expect(stdout).toMatch(/cursor of another log[^\n]*\n0\n$/)
      expect(stderr).toBe('')
    } finally {
      clearInterval(loop)
    }
  })
})

describe('stale', () => {
  test('ends with 1 and lists what is held for long, with 0 where there is none', async () => {
    await acquireAs('a', 'port:1')
    expect(await shop.run(['stale', '--max-age', '1h', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' })
    const { code, stdout } = await shop.run(['stale', '--max-age', '1ms', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject([{ resourceId: 'port:1', agentId: 'a' }])
  })
})

describe('doctor', () => {
  test('checks the store, the clock, the versions and what was left behind', async () => {
    await acquireAs('a', 'port:1')
    const { code, stdout } = await shop.run(['doctor', '--json'])
    expect(code).toBe(0)
    const checks = JSON.parse(stdout) as readonly { check: string; state: string }[]
    expect(checks.map(({ check }) => check)).toEqual([
      'versions',
      'settings',
      'store',
      'clock',
      'locks',
      'handles',
      'keepers',
    ])
    expect(checks.every(({ state }) => state === 'ok')).toBe(true)
  })

  test('names a lock whose process is gone', async () => {
    const { hostname } = await import('node:os')
    await acquireAs(`jane@${hostname()}:4194304`, 'port:1')
    expect((await shop.run(['doctor'])).stdout).toContain(`port:1 (jane@${hostname()}:4194304)`)
  })

  test('ends with 69 and goes on where the store cannot be reached', async () => {
    const { code, stdout } = await shop.run(['doctor'], { env: { HOLDFAST_STORE: `sqlite:${main}/x.db` } })
    expect(code).toBe(69)
    expect(stdout).toContain('versions')
    expect(stdout).toMatch(/✗ store/)
  })
})

describe('demo', () => {
  test('loses additions without a lock and none with it, and leaves nothing behind', async () => {
    const { code, stdout } = await shop.run(['demo'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/additions were lost/)
    expect(stdout).toMatch(/The file says 20\. Nothing was lost\./)
    expect(await named([])).toEqual([])
  })
})

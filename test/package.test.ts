import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tooOldNode } from './support/node.ts'
import { root } from './support/repository.ts'

/** What `holdfast` exports at run time: adding or removing a name here is a change of the public API. */
const publicNames = [
  'ClosedError',
  'DeadlockError',
  'EventBus',
  'FencedOutError',
  'InvalidRequestError',
  'LockBusyError',
  'LockLostError',
  'LockTimeoutError',
  'NotExecutedError',
  'NotHeldError',
  'ResourceLockError',
  'ResourceLockManager',
  'StoreUnavailableError',
  'defer',
  'exponential',
  'fail',
  'fileResource',
  'fileTarget',
  'getEventBus',
  'isResourceLockError',
  'memoryStore',
  'onContention',
  'optimisticUpdate',
  'postgresStore',
  'redisStore',
  'retry',
  'retryAfter',
  'sqliteStore',
]

const run = promisify(execFile)

describe('the packed package, installed into an empty project', () => {
  let project: string

  beforeAll(async () => {
    if (!existsSync(join(root, 'dist/index.js'))) throw new Error('dist is missing: run `npm run build` first')
    project = await mkdtemp(join(tmpdir(), 'holdfast-package-'))
    await install(project)
  }, 120_000)

  afterAll(() => rm(project, { recursive: true, force: true }))

  const evaluate = async (script: string, node: readonly string[] = [process.execPath]): Promise<unknown> => {
    const [command = '', ...args] = node
    const { stdout } = await run(command, [...args, '--input-type=module', '--eval', script], { cwd: project })
    return JSON.parse(stdout)
  }

  test('exports exactly the public names', async () => {
    const script = `console.log(JSON.stringify(Object.keys(await import('holdfast')).sort()))`
    expect(await evaluate(script)).toEqual(publicNames.toSorted())
  })

  test('is the same module for require()', async () => {
    const script = `
      import { createRequire } from 'node:module'
      const required = createRequire(process.cwd() + '/')('holdfast')
      console.log(JSON.stringify(required.ResourceLockManager === (await import('holdfast')).ResourceLockManager))`
    expect(await evaluate(script)).toBe(true)
  })

  test('checks histories without Vitest', async () => {
    const script = `
      import { checkHistory, mutex } from 'holdfast/testing/history'
      const grant = { kind: 'acquire', resource: 'r', outcome: 'done', calledAt: 0, returnedAt: 1 }
      const history = [{ ...grant, client: 'a', lease: '1' }, { ...grant, client: 'b', lease: '2' }]
      console.log(JSON.stringify(checkHistory(mutex, history).verdict))`
    expect(await evaluate(script)).toBe('unexplained')
  })

  test('says in one sentence that the contract needs Vitest', async () => {
    const script = `
      const message = await import('holdfast/testing').then(() => 'imported', (error) => error.message)
      console.log(JSON.stringify(message))`
    expect(await evaluate(script)).toMatch(
      /^holdfast\/testing needs the package vitest.* npm install --save-dev vitest/,
    )
  })

  test('has types that compile in a strict project', async () => {
    const compilerOptions = {
      noEmit: true,
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable'],
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
    await writeFile(
      join(project, 'use.ts'),
      `import * as holdfast from 'holdfast'\nimport * as history from 'holdfast/testing/history'\nexport const all: object[] = [holdfast, history]\n`,
    )
    const complaints = await run(join(root, 'node_modules/.bin/tsc'), { cwd: project }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    )
    expect(complaints).toBe('')
  })

  test('carries no sources, tests or build state', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json'], { cwd: root })
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
    const outside = files
      .map(({ path }) => path)
      .filter((path) => !/^(?:dist\/|(?:package\.json|LICENSE|README\.md)$)/.test(path))
    expect(outside).toEqual([])
  })

  test('says in one sentence that an older Node is not enough', async () => {
    const script = `
      const message = await import('holdfast').then(() => 'imported', (error) => error.message)
      console.log(JSON.stringify({ message, version: process.versions.node }))`
    const { message, version } = (await evaluate(script, await tooOldNode())) as { message: string; version: string }
    expect(message).toMatch(/^[^\n]*\bNode(?:\.js)? 22\.14\b[^\n]*\.$/)
    expect(message).toContain(version)
  })
})

describe('on the oldest Node that it allows', () => {
  const oldest = '22.14.0'
  let project: string

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'holdfast-oldest-'))
    await install(project, `node@${oldest}`)
  }, 120_000)

  afterAll(() => rm(project, { recursive: true, force: true }))

  test('the library locks, waits and releases on SQLite', async () => {
    const script = `
      import { ResourceLockManager } from 'holdfast'
      const locks = new ResourceLockManager({ store: 'sqlite:locks.db' })
      let ran = 0
      const each = async (_, n) => locks.withLock(['file:hot', 'file:own/' + n + '/**'], { agentId: 'a' + n }, () => ran++)
      await Promise.all(Array.from({ length: 20 }, each))
      const lock = await locks.acquire('file:own/**', { agentId: 'b', mode: 'shared', timeout: '5s' })
      const busy = await locks.tryAcquire('file:own/3/x', { agentId: 'c' })
      const seen = await locks.getOwner('file:own/3')
      await locks.close()
      console.log(JSON.stringify({ ran, busy, seen, held: lock.isHeld, version: process.versions.node }))`
    const node = join(project, 'node_modules/.bin/node')
    const { stdout, stderr } = await run(node, ['--input-type=module', '--eval', script], { cwd: project })
    expect(JSON.parse(stdout)).toEqual({ ran: 20, busy: null, seen: 'b', held: false, version: oldest })
    expect(stderr).toBe('')
  })

  test('the command line runs a command under a lock', async () => {
    const command = ['run', 'port:1', '--store', 'sqlite:cli.db', '--', 'echo', 'ran']
    const holdfast = join(project, 'node_modules/.bin/holdfast')
    // The first of the path, so that the program's own first line finds it.
    const env = {
      ...process.env,
      PATH: `${join(project, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}`,
    }
    expect(await run(holdfast, command, { cwd: project, env })).toMatchObject({ stdout: 'ran\n', stderr: '' })
  })
})

test('the command line says in one sentence that an older Node is not enough', async () => {
  const [command = '', ...args] = await tooOldNode()
  const failed = await run(command, [...args, join(root, 'dist/cli/main.js'), 'ls']).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^[^\n]*\b22\.14\b[^\n]*\n$/) })
})

async function install(project: string, ...others: readonly string[]): Promise<void> {
  const packed = join(project, 'packed')
  await mkdir(packed)
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', packed], { cwd: root })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }))
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', ['install', ...quietly, join(packed, filename), ...others], { cwd: project })
}

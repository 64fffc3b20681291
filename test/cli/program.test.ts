import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cliPage } from '../../scripts/cli-docs.mjs'
import { createProgram } from '../../src/cli/program.ts'
import { CliWorkshop, main } from '../support/cli-workshop.ts'
import { root } from '../support/repository.ts'

interface Shown {
  readonly value: string
  readonly source: string
}

interface Status {
  readonly store: Shown & { readonly name: string; readonly reachable: boolean }
  readonly namespace: Shown
  readonly agent: Shown
}

const run = promisify(execFile)
const commands = createProgram().commands.map((command) => command.name())
let shop: CliWorkshop

beforeEach(() => {
  shop = new CliWorkshop()
})

afterEach(() => shop[Symbol.asyncDispose]())

describe('the program', () => {
  test('has a help with examples for itself and for every command', async () => {
    expect(commands.length).toBeGreaterThan(10)
    const helps = await Promise.all(
      [['--help'], ...commands.map((name) => [name, '--help'])].map((line) => shop.run(line)),
    )
    for (const { code, stdout } of helps) {
      expect(code).toBe(0)
      expect(stdout).toMatch(/\nExamples:\n +.*holdfast/)
    }
  })

  test('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(await shop.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test.each([
    ['an unknown command', ['lss'], /'lss'.*Did you mean ls/s],
    ['no command', [], /Usage/],
    ['an unknown option', ['ls', '--wat'], /'--wat'/],
    ['a missing argument', ['show'], /RESOURCE/],
    ['a duration without its unit', ['acquire', 'a', '--wait', '5'], /--wait: '5' has no unit/],
    [
      'a lease that is too short',
      ['acquire', 'a', '--timeout', '1ms'],
      /--timeout: '1ms' is too short: at least 100ms/,
    ],
    ['a process that is no number', ['acquire', 'a', '--for-pid', 'x'], /--for-pid.*'x'.*whole number/],
    ['an id without a type', ['show', ':x'], /':x' has an empty type/],
    ['a pattern that is none', ['show', 'a/**/b'], /\*\*/],
    ['an unknown store', ['ls', '--store', 'foo:bar'], /'foo:bar'/],
    ['an impossible namespace', ['ls', '--namespace', 'a b'], /--namespace: 'a b'/],
    ['an empty agent', ['acquire', 'a', '--agent', ''], /--agent is empty/],
    ['an empty agent where nobody asks for it', ['show', 'a', '--agent', ''], /--agent is empty/],
    ['an empty agent to look for', ['ls', '--agent', ''], /--agent is empty/],
    ['an empty namespace', ['ls', '--namespace', ''], /--namespace is empty/],
    ['an empty store', ['ls', '--store', ''], /--store is empty/],
    ['to wait and not to', ['acquire', 'a', '--wait', '1s', '--no-wait'], /--wait.*cannot be used with.*--no-wait/],
    ['not to wait and to', ['run', 'a', '--no-wait', '--wait', '1s', '--', 'true'], /--wait.*cannot be.*--no-wait/],
    ['a cursor that is none', ['watch', '--since', 'start'], /--since: 'start' is no cursor/],
    ['a store that ends with the command', ['acquire', 'a', '--store', 'memory:'], /memory:/],
    ['no command to run', ['run', 'a'], /'--'/],
    ['no resource to lock', ['run', '--', 'true'], /RESOURCE/],
    ['a shell that is not known', ['completion', 'tcsh'], /tcsh.*bash, zsh, fish/],
  ])('ends with 64 for %s, says what is wrong and where help is', async (_, line, message) => {
    const { code, stdout, stderr } = await shop.run(line)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/--help/)
    expect(stderr).not.toMatch(/\n +at /)
  })

  test('ends with 69 where the store cannot be reached, with a stack only for debugging', async () => {
    const store = `sqlite:${main}/x.db`
    const { code, stderr } = await shop.run(['ls', '--store', store])
    expect(code).toBe(69)
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/)
    const debugged = await shop.run(['ls', '--store', store], { env: { HOLDFAST_DEBUG: '1' } })
    expect(debugged.stderr).toMatch(/\n +at /)
  })

  test('prints no colours where nobody sees them', async () => {
    await shop.run(['acquire', 'port:1'])
    for (const line of [['ls'], ['show', 'port:1'], ['status'], ['doctor'], ['ls', '--help']]) {
      expect((await shop.run(line, { env: { FORCE_COLOR: '1' } })).stdout).not.toContain('\u001B')
    }
  })

  test('loads for ls no more than it needs', async () => {
    const hook = `import { registerHooks } from 'node:module'
      registerHooks({ load(url, context, next) { process._rawDebug(url); return next(url, context) } })`
    const options = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`]
    const { stderr } = await run(process.execPath, [...options, main, 'ls'], { cwd: shop.tree, env: shop.env })
    const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'))
    const names = loaded.map((url) => url.replace(/^.*\/(node_modules|dist)\//, ''))
    expect(names.filter((name) => name.startsWith('commander/'))).not.toEqual([])
    expect(names.filter((name) => /^(?:prom-client|sorted-btree)\//.test(name))).toEqual([])
    expect(names.filter((name) => /^cli\/(?:run|acquire|complet|keeper|memory|demo)/.test(name))).toEqual([])
    expect(names.length).toBeLessThan(50)
  })

  test('is described by docs/cli.md as it is (npm run docs:cli)', () => {
    expect(readFileSync(join(root, 'docs/cli.md'), 'utf8')).toBe(cliPage())
  })
})

describe('the settings', () => {
  const bare = { HOLDFAST_STORE: '', HOLDFAST_AGENT: '', HOLDFAST_NAMESPACE: '' }

  test('come from the flag, else the environment, else the nearest file upwards, else a default', async () => {
    const deep = join(shop.tree, 'a/b')
    mkdirSync(deep, { recursive: true })
    const file = join(shop.tree, '.holdfast.json')
    const statusOf = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Status> =>
      shop.json(['status', ...args], { cwd: deep, env: { ...bare, ...env } })

    const byDefault = await statusOf([], {})
    expect(byDefault.store).toMatchObject({
      value: 'sqlite:',
      source: 'default',
      name: `sqlite:${join(shop.tree, '.git/holdfast/locks.db')}`,
      reachable: true,
    })
    expect(byDefault.namespace).toEqual({ value: 'default', source: 'default' })
    expect(byDefault.agent.value).toMatch(new RegExp(`^.+@.+:${process.pid}$`))

    writeFileSync(file, JSON.stringify({ store: 'sqlite:mine.db', namespace: 'team', agent: 'filed' }))
    const filed = await statusOf([], {})
    expect(filed.store).toMatchObject({ value: `sqlite:${join(shop.tree, 'mine.db')}`, source: file })
    expect([filed.namespace, filed.agent]).toEqual([
      { value: 'team', source: file },
      { value: 'filed', source: file },
    ])

    const fromEnv = await statusOf([], { HOLDFAST_AGENT: 'env', HOLDFAST_NAMESPACE: 'n' })
    expect(fromEnv.agent).toEqual({ value: 'env', source: 'HOLDFAST_AGENT' })
    expect(fromEnv.namespace.source).toBe('HOLDFAST_NAMESPACE')
    const flagged = await statusOf(['--agent', 'flag'], { HOLDFAST_AGENT: 'env' })
    expect(flagged.agent).toEqual({ value: 'flag', source: '--agent' })
  })

  test.each([
    ['{ "agnet": "x", "port": 1 }', /'agnet', 'port'.*known are store, namespace, agent/],
    ['{ "agent": 7 }', /agent: 7/],
    ['[]', /not an object/],
    ['{', /not JSON/],
  ])('are refused where the file says %s', async (text, message) => {
    const file = join(shop.tree, '.holdfast.json')
    writeFileSync(file, text)
    const { code, stderr } = await shop.run(['ls'])
    expect(code).toBe(64)
    expect(stderr).toContain(file)
    expect(stderr).toMatch(message)
  })

  test('namespaces keep locks apart', async () => {
    await shop.run(['acquire', 'port:1', '--namespace', 'one'])
    expect(await shop.json(['ls', '--namespace', 'one'])).toHaveLength(1)
    expect(await shop.json(['ls', '--namespace', 'two'])).toEqual([])
  })
})

describe('the completions of bash', () => {
  /** What bash suggests for each of the lines, with completions loaded twice, as by a careless .bashrc. */
  const suggestions = async (...lines: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const script = `
      holdfast() { "$NODE" "$MAIN" "$@"; }
      source <(holdfast completion bash); source <(holdfast completion bash)
      for COMP_LINE in "$@"; do
        COMP_POINT=\${#COMP_LINE}; COMPREPLY=()
        _holdfast holdfast
        printf '%s\\t' "\${COMPREPLY[@]}"; echo
      done
      complete -p holdfast`
    const env = { ...shop.env, NODE: process.execPath, MAIN: main }
    const { stdout, stderr } = await run('bash', ['--norc', '-c', script, 'bash', ...lines], { cwd: shop.tree, env })
    expect(stderr).toBe('')
    const printed = stdout.trimEnd().split('\n')
    expect(printed.at(-1)).toBe('complete -o bashdefault -o default -F _holdfast holdfast')
    return printed.slice(0, -1).map((line) => line.split('\t').filter((each) => each !== ''))
  }

  test('know the commands and their options', async () => {
    const [all, some, options, shells] = await suggestions(
      'holdfast ',
      'holdfast re',
      'holdfast stale --m',
      'holdfast completion ',
    )
    expect(all).toEqual(commands)
    expect(some).toEqual(['release'])
    expect(options).toEqual(['--max-age'])
    expect(shells).toEqual(['bash', 'zsh', 'fish'])
  })

  test('know what is locked and by whom, and leave files to bash', async () => {
    await shop.run(['acquire', 'src/a.ts', 'port:1'])
    const found = await suggestions(
      'holdfast release ',
      'holdfast show port:',
      'holdfast ls --agent ',
      'holdfast ls --type f',
      'holdfast acquire sr',
      'holdfast run src/a.ts -- npm ',
    )
    expect(found).toEqual([['file:src/a.ts', 'port:1'], ['1'], ['tester'], ['file'], [], []])
  })

  test('run nothing of what was typed or is suggested', async () => {
    await shop.run(['acquire', 'x:$(touch typed)'])
    const [found] = await suggestions('holdfast show ', 'holdfast show $(touch typed) ')
    expect(found).toEqual([String.raw`x:\$\(touch\ typed\)`])
    expect(() => readFileSync(join(shop.tree, 'typed'))).toThrow('ENOENT')
  })
})

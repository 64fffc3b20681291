import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultDatabasePath, gitCommonDir, namespaceFile } from '../../../src/stores/sqlite/location.ts'

let root = ''
/** An environment in which nothing of the user's own git settings counts. */
const cleanEnv = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }

function git(cwd: string, env: Record<string, string>, ...args: string[]): string {
  return execFileSync('git', args, {
    cwd,
    env: { ...cleanEnv, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
}

/** What git itself says, as a real path; undefined where it refuses. */
function asGitSays(cwd: string, env: Record<string, string> = {}): string | undefined {
  try {
    return realpathSync(git(cwd, env, 'rev-parse', '--path-format=absolute', '--git-common-dir'))
  } catch {
    return undefined
  }
}

function makeRepository(path: string): void {
  git(root, {}, 'init', '--quiet', path)
  git(
    path,
    {},
    '-c',
    'user.name=T',
    '-c',
    'user.email=t@example.org',
    'commit',
    '--quiet',
    '--allow-empty',
    '-m',
    'first',
  )
}

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-location-')))
  const repository = join(root, 'repo')
  makeRepository(repository)
  git(repository, {}, 'worktree', 'add', '--quiet', '--detach', join(root, 'work tree'))
  git(repository, {}, 'worktree', 'add', '--quiet', join(repository, 'nested'))
  makeRepository(join(root, 'library'))
  git(repository, {}, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', join(root, 'library'), 'lib')
  git(join(repository, 'lib'), {}, 'worktree', 'add', '--quiet', join(root, 'library-tree'))
  git(root, {}, 'clone', '--quiet', '--bare', repository, join(root, 'bare.git'))
  git(root, {}, 'init', '--quiet', `--separate-git-dir=${join(root, 'separate')}`, join(root, 'apart'))
  mkdirSync(join(repository, 'src', 'deep'), { recursive: true })
  mkdirSync(join(repository, 'fake', '.git'), { recursive: true })
  mkdirSync(join(repository, 'broken'))
  writeFileSync(join(repository, 'broken', '.git'), 'gitdir: ../nowhere\n')
  mkdirSync(join(repository, 'garbled'))
  writeFileSync(join(repository, 'garbled', '.git'), 'not a git file')
  mkdirSync(join(root, 'plain'))
  symlinkSync(join(repository, 'src'), join(root, 'link'))
})

afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

describe('the git common directory is what git says', () => {
  test.each([
    ['repo', 'repo/.git'],
    ['repo/src/deep', 'repo/.git'],
    ['repo/.git', 'repo/.git'],
    ['repo/.git/objects', 'repo/.git'],
    ['repo/.git/worktrees/nested', 'repo/.git'],
    ['repo/nested', 'repo/.git'],
    ['work tree', 'repo/.git'],
    ['repo/lib', 'repo/.git/modules/lib'],
    ['library-tree', 'repo/.git/modules/lib'],
    ['bare.git', 'bare.git'],
    ['bare.git/refs', 'bare.git'],
    ['apart', 'separate'],
    ['link/deep', 'repo/.git'],
    ['repo/fake', 'repo/.git'],
    ['repo/fake/.git', 'repo/.git'],
    ['repo/broken', undefined],
    ['repo/garbled', undefined],
    ['plain', undefined],
  ])('in %s', (folder, expected) => {
    const cwd = join(root, folder)
    expect(asGitSays(cwd)).toBe(expected && join(root, expected))
    expect(gitCommonDir(cwd, {})).toBe(expected && join(root, expected))
  })

  test.each(['repo/lib', 'library-tree', 'repo/src/deep'])(
    'the default file of %s is the outermost repository’s',
    (folder) => {
      expect(defaultDatabasePath(join(root, folder), {})).toBe(join(root, 'repo/.git/holdfast/locks.db'))
    },
  )

  test.each<[string, Record<string, string>]>([
    ['plain', { GIT_DIR: '../repo/.git' }],
    ['plain', { GIT_DIR: '../work tree/.git' }],
    ['repo', { GIT_DIR: '.git' }],
    ['repo', { GIT_DIR: 'src' }],
    ['repo', { GIT_COMMON_DIR: '../bare.git' }],
    ['work tree', { GIT_COMMON_DIR: '../bare.git' }],
    ['plain', { GIT_COMMON_DIR: '../bare.git' }],
    ['repo/src/deep', { GIT_CEILING_DIRECTORIES: 'ROOT/repo/src' }],
    ['repo/src/deep', { GIT_CEILING_DIRECTORIES: 'ROOT/repo' }],
    ['repo/src/deep', { GIT_CEILING_DIRECTORIES: 'ROOT:relative' }],
    ['repo', { GIT_CEILING_DIRECTORIES: 'ROOT/repo' }],
    ['repo', { GIT_DISCOVERY_ACROSS_FILESYSTEM: 'true' }],
  ])('in %s with %o', (folder, env) => {
    const cwd = join(root, folder)
    const rooted = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.replace('ROOT', root)]))
    expect(gitCommonDir(cwd, rooted)).toBe(asGitSays(cwd, rooted))
  })

  test('in a repository whose HEAD is a symbolic link, as git made them long ago', () => {
    const old = join(root, 'old')
    makeRepository(old)
    rmSync(join(old, '.git', 'HEAD'))
    symlinkSync('refs/heads/none-yet', join(old, '.git', 'HEAD'))
    expect(gitCommonDir(old, {})).toBe(asGitSays(old))
    expect(gitCommonDir(old, {})).toBe(join(old, '.git'))
  })

  test('is none for a folder that does not exist', () => {
    expect(gitCommonDir(join(root, 'missing'), {})).toBeUndefined()
  })
})

describe('the default database', () => {
  test('lies in the repository, and is one for all its working trees', () => {
    const file = join(root, 'repo', '.git', 'holdfast', 'locks.db')
    expect(defaultDatabasePath(join(root, 'repo', 'src'), {})).toBe(file)
    expect(defaultDatabasePath(join(root, 'work tree'), {})).toBe(file)
  })

  test('lies in the state folder elsewhere', () => {
    const plain = join(root, 'plain')
    // The folders of the other systems are one line each, and the suite runs on Linux.
    expect(process.platform).toBe('linux')
    expect(defaultDatabasePath(plain, { HOME: '/people/a', XDG_STATE_HOME: '/state' })).toBe('/state/holdfast/locks.db')
    expect(defaultDatabasePath(plain, { HOME: '/people/a' })).toBe('/people/a/.local/state/holdfast/locks.db')
    expect(defaultDatabasePath(plain, { HOME: '/people/a', XDG_STATE_HOME: 'relative' })).toBe(
      '/people/a/.local/state/holdfast/locks.db',
    )
    expect(defaultDatabasePath(plain, {})).toBe(join(homedir(), '.local/state/holdfast/locks.db'))
  })

  test('is that of the working directory by default', () => {
    expect(defaultDatabasePath()).toBe(defaultDatabasePath(process.cwd(), process.env))
  })
})

describe('the file of a namespace', () => {
  test.each([
    ['default', '/a/locks.db'],
    ['team-a_1', '/a/locks.team-a_1.db'],
    ['Team A', '/a/locks.%54eam%20%41.db'],
    ['../x', '/a/locks.%2e%2e%2fx.db'],
    ['ü', '/a/locks.%c3%bc.db'],
    ['Default', '/a/locks.%44efault.db'],
    ['', '/a/locks..db'],
  ])('%j is %s', (namespace, file) => {
    expect(namespaceFile('/a/locks.db', namespace)).toBe(file)
  })

  test('keeps a path without an extension, and dots in folders', () => {
    expect(namespaceFile('/a.b/locks', 'x')).toBe('/a.b/locks.x')
  })

  test('has a bounded name, and still one of its own', () => {
    const files = [`${'x'.repeat(300)}a`, `${'x'.repeat(300)}b`].map((name) => namespaceFile('/a/locks.db', name))
    expect(new Set(files).size).toBe(2)
    for (const file of files) expect(basename(file).length).toBeLessThan(200)
  })

  test('is another one for every namespace, also where case and Unicode form do not count', () => {
    const folded = (name: string): string => namespaceFile('/a/locks.db', name).normalize('NFC').toLowerCase()
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(folded(a) === folded(b)).toBe(a === b)
        expect(dirname(namespaceFile('/a/locks.db', a))).toBe('/a')
      }),
    )
    for (const [a, b] of [
      ['A', 'a'],
      ['é', 'e\u0301'],
      ['a%41', 'aA'],
      ['ß', 'SS'],
      ['%-', '%2d'],
    ] as const) {
      expect(folded(a)).not.toBe(folded(b))
    }
  })

  test('is refused for text that is not Unicode', () => {
    expect(() => namespaceFile('/a/locks.db', 'a\ud800')).toThrow(RangeError)
  })
})

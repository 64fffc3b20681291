import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileResource, type FileResourceOptions } from '../../src/core/resource/file-resource.ts'
import { caseOnDisk, realPath } from '../../src/core/resource/real-path.ts'
import { parseResource } from '../../src/core/resource/resource.ts'
import { repositoryOf, workingTreeOf } from '../../src/core/resource/working-tree.ts'

let base = ''
let tree = ''
beforeEach(() => {
  base = realpathSync.native(mkdtempSync(join(tmpdir(), 'holdfast-file-resource-')))
  tree = join(base, 'tree')
  file('tree/src/main.ts')
  git(tree, 'init', '--quiet')
})
afterEach(() => rm(base, { recursive: true }))

function file(path: string): void {
  mkdirSync(dirname(join(base, path)), { recursive: true })
  writeFileSync(join(base, path), '')
}

function git(folder: string, ...args: string[]): void {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always']
  execFileSync('git', ['-C', folder, ...identity, ...args], { stdio: 'pipe' })
}

const idOf = (path: string, options?: FileResourceOptions): string => fileResource(`${tree}/${path}`, options)

describe('the resource of a file', () => {
  test('is relative to the root of the working tree that contains it', () => {
    expect(idOf('src/main.ts')).toBe('file:src/main.ts')
    expect(idOf('')).toBe('file:')
    expect(idOf('.git/index')).toBe('file:.git/index')
  })

  test('is the same for every spelling', () => {
    for (const path of [
      'src//main.ts',
      './src/./main.ts',
      'src/../src/main.ts',
      'none/../src/main.ts',
      'src/main.ts/',
    ]) {
      expect(idOf(path)).toBe('file:src/main.ts')
    }
  })

  test('is the same for a path from the working directory', () => {
    const script = `
      const { fileResource } = await import(${JSON.stringify(new URL('../../src/core/resource/file-resource.ts', import.meta.url).href)})
      console.log(fileResource('main.ts'), fileResource('../README'), fileResource('**'))`
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: join(tree, 'src') })
    expect(String(output).trim()).toBe('file:src/main.ts file:README file:src/**')
  })

  test('need not exist', () => {
    expect(idOf('src/new/file.ts')).toBe('file:src/new/file.ts')
    expect(idOf('src/main.ts/below')).toBe('file:src/main.ts/below')
  })

  test('is that of what a symbolic link leads to', () => {
    symlinkSync('src', join(tree, 'link'))
    symlinkSync('main.ts', join(tree, 'src/alias.ts'))
    expect(idOf('link/main.ts')).toBe('file:src/main.ts')
    expect(idOf('link/alias.ts')).toBe('file:src/main.ts')
    expect(idOf('link/new.ts')).toBe('file:src/new.ts')
  })

  test('is that of what a link to nothing would make', () => {
    symlinkSync('link2', join(tree, 'link1'))
    symlinkSync('src/later/./x.ts', join(tree, 'link2'))
    expect(idOf('link1')).toBe('file:src/later/x.ts')
    symlinkSync(join(tree, 'far'), join(tree, 'src/absolute'))
    expect(idOf('src/absolute/y')).toBe('file:far/y')
  })

  test('takes `..` after a link for the folder above what the link leads to, as the system does', () => {
    file('tree/deep/er/x.ts')
    symlinkSync('deep/er', join(tree, 'link'))
    expect(idOf('link/../x.ts')).toBe('file:deep/x.ts')
  })

  test('keeps a tree', () => {
    expect(idOf('src/**')).toBe('file:src/**')
    expect(idOf('**')).toBe('file:**')
    expect(idOf('new/**')).toBe('file:new/**')
    symlinkSync('src', join(tree, 'link'))
    expect(idOf('link/**')).toBe('file:src/**')
  })

  test('may have any name that is text', () => {
    for (const name of [
      'a b',
      '100%',
      '%2F',
      '[id].tsx',
      '*',
      'a**',
      'C:x',
      'ÄÖ',
      '日本',
      '🦊',
      String.raw`back\slash`,
    ]) {
      file(`tree/${name}`)
      expect(idOf(name)).toBe(`file:${name}`)
      expect(parseResource(idOf(name))).toEqual({ resourceId: `file:${name}`, scope: 'node' })
    }
  })

  test('is relative to a root, where one is given', () => {
    expect(idOf('src/main.ts', { root: join(tree, 'src') })).toBe('file:main.ts')
    expect(idOf('src/main.ts', { root: base })).toBe('file:tree/src/main.ts')
    symlinkSync(tree, join(base, 'alias'))
    expect(idOf('src/main.ts', { root: join(base, 'alias') })).toBe('file:src/main.ts')
    expect(fileResource(join(base, 'alias/src/main.ts'), { root: tree })).toBe('file:src/main.ts')
  })
})

describe('a path is refused', () => {
  test('outside the root, where a link leads out of it as well', () => {
    file('elsewhere/x')
    symlinkSync(join(base, 'elsewhere'), join(tree, 'out'))
    const options = { root: tree }
    expect(() => idOf('../elsewhere/x', options)).toThrow('lies outside the root')
    expect(() => idOf('out/x', options)).toThrow(`it is '${join(base, 'elsewhere/x')}'`)
    expect(() => fileResource(`${tree}-other`, options)).toThrow('lies outside the root')
    expect(idOf('..dots', options)).toBe('file:..dots')
  })

  test('in no working tree, unless a root is given', () => {
    expect(() => fileResource(join(base, 'x'))).toThrow(
      'is in no git working tree: say what it is relative to, with { root }',
    )
    expect(fileResource(join(base, 'x'), { root: base })).toBe('file:x')
  })

  test.each<[string, unknown, string]>([
    ['empty', '', 'is not a path'],
    ['no string', 7, 'is not a path'],
    ['an id', 'file:src/main.ts', 'is an id or a URL already'],
    ['a URL', 'file:///x', 'is an id or a URL already'],
    ['with a line feed', 'a\nb', 'control character'],
    ['with a zero byte', 'a\0b', 'control character'],
    ['with half a character', 'a\ud800', 'surrogate'],
    ['that looks like a pattern', 'src/**/main.ts', "'**' may only stand at the end"],
    ['that is a tree twice', 'src/**/**', "'**' may only stand at the end"],
    ['that is too long', 'x/'.repeat(600), 'too long'],
  ])('%s', (_what, path, why) => {
    const call = (): string => fileResource(path as string, { root: '.' })
    expect(call).toThrow(why)
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  test('that leads to a file which no id can name', () => {
    mkdirSync(join(tree, '**'))
    symlinkSync('**', join(tree, 'link'))
    expect(() => idOf('link')).toThrow("a file named '**'")
  })

  test('that the system cannot resolve', () => {
    symlinkSync('loop', join(tree, 'loop'))
    expect(() => idOf('loop/x')).toThrow(/cannot be resolved: ELOOP/)
  })

  test('with a root that does not exist, or with an option nobody knows', () => {
    expect(() => idOf('x', { root: join(base, 'none') })).toThrow('does not exist')
    expect(() => idOf('x', { rot: '.' } as FileResourceOptions)).toThrow("'rot' is not an option")
  })
})

describe('a working tree', () => {
  const commit = (folder: string): void => {
    git(folder, 'add', '.')
    git(folder, 'commit', '--quiet', '-m', 'x')
  }

  test('is none where there is no repository', () => {
    expect(workingTreeOf(base)).toBeUndefined()
    expect(workingTreeOf('/')).toBeUndefined()
  })

  test('that is linked is one of its own, inside another one too', () => {
    commit(tree)
    git(tree, 'worktree', 'add', '--quiet', '.worktrees/one')
    expect(idOf('.worktrees/one/src/main.ts')).toBe('file:@one/src/main.ts')
    expect(idOf('.worktrees/one/**')).toBe('file:@one/**')
    expect(fileResource(join(tree, '.worktrees/one/src/main.ts'), { root: join(tree, '.worktrees/one') })).toBe(
      'file:src/main.ts',
    )
    expect(workingTreeOf(join(tree, '.worktrees/one/src'))).toBe(join(tree, '.worktrees/one'))
  })

  test('that is another clone is one of its own', () => {
    commit(tree)
    git(tree, 'clone', '--quiet', '.', 'vendor')
    expect(workingTreeOf(join(tree, 'vendor/src'))).toBe(join(tree, 'vendor'))
  })

  test('has its submodules in it', () => {
    commit(tree)
    const outer = join(base, 'outer')
    mkdirSync(outer)
    git(outer, 'init', '--quiet')
    git(outer, 'submodule', '--quiet', 'add', tree, 'lib')
    expect(fileResource(join(outer, 'lib/src/main.ts'))).toBe('file:lib/src/main.ts')
    commit(outer)
    git(outer, 'worktree', 'add', '--quiet', join(base, 'linked'))
    git(join(base, 'linked'), 'submodule', '--quiet', 'update', '--init')
    expect(fileResource(join(base, 'linked/lib/src/main.ts'))).toBe('file:@linked/lib/src/main.ts')
    for (const of of ['outer', 'outer/lib', 'linked', 'linked/lib']) {
      expect(repositoryOf(join(base, of))).toBe(join(outer, '.git'))
    }
  })

  test.each(['modules/one', 'worktrees', 'worktrees/one'])('in %s is what it would be elsewhere', (path) => {
    const folder = join(base, 'apart', path)
    mkdirSync(folder, { recursive: true })
    git(folder, 'init', '--quiet')
    expect(fileResource(join(folder, 'main.ts'))).toBe('file:main.ts')
    expect(repositoryOf(folder)).toBe(join(folder, '.git'))
  })

  test('that is linked keeps its name where the repository is out of sight, as in a container', () => {
    mkdirSync(join(base, 'mounted'))
    writeFileSync(join(base, 'mounted/.git'), 'gitdir: /absent/.git/worktrees/one\n')
    expect(fileResource(join(base, 'mounted/main.ts'))).toBe('file:@one/main.ts')
  })
})

describe('the case of a path', () => {
  test('is left alone where both spellings are files of their own, or two names of one file', () => {
    file('tree/Readme')
    file('tree/readme')
    linkSync(join(tree, 'src/main.ts'), join(tree, 'src/MAIN.TS'))
    expect(['Readme', 'readme', 'src/main.ts', 'src/MAIN.TS', 'README'].map((path) => idOf(path))).toEqual([
      'file:Readme',
      'file:readme',
      'file:src/main.ts',
      'file:src/MAIN.TS',
      'file:README',
    ])
  })

  test('of what does not exist is left alone', () => {
    expect(caseOnDisk(join(tree, 'None/x'), tree)).toBe(join(tree, 'None/x'))
    expect(caseOnDisk(tree, tree)).toBe(tree)
  })
})

test('the real path of a root is itself', () => {
  expect(realPath('/')).toBe('/')
  expect(realPath('.')).toBe(realpathSync.native('.'))
})

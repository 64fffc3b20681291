import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorkshop } from '../support/cli-workshop.ts'

let workshop: CliWorkshop
beforeEach(() => {
  workshop = new CliWorkshop()
})
afterEach(() => workshop[Symbol.asyncDispose]())

/** With the default store: each repository has its own. */
function holdfast(cwd: string, ...args: readonly string[]): ReturnType<CliWorkshop['run']> {
  return workshop.run([...args], { cwd, env: { HOLDFAST_STORE: '' } })
}

function clone(path: string): string {
  mkdirSync(path, { recursive: true })
  execFileSync('git', ['init', '--quiet'], { cwd: path })
  return path
}

describe('a path of another repository than the current folder’s', () => {
  test('is refused with the default store: the same file would be locked in two of them', async () => {
    const inner = clone(join(workshop.tree, 'vendor/lib'))
    const refused = await holdfast(workshop.tree, 'run', 'vendor/lib/a.c', '--', 'true')
    expect(refused).toMatchObject({ code: 64, stdout: '' })
    expect(refused.stderr).toContain(`'vendor/lib/a.c' lies in the repository ${inner}`)
    expect(refused.stderr).toContain('--store')
    expect(await holdfast(inner, 'run', 'a.c', '--', 'true')).toMatchObject({ code: 0 })
    expect(await holdfast(workshop.folder, 'acquire', 'tree/a.c')).toMatchObject({ code: 64 })
    expect(await holdfast(workshop.tree, 'show', '../a.c')).toMatchObject({ code: 64 })
  })

  test('is taken where one store is named for both', async () => {
    clone(join(workshop.tree, 'vendor/lib'))
    expect(await workshop.run(['run', 'vendor/lib/a.c', '--', 'true'])).toMatchObject({ code: 0 })
  })

  test('may be one of a linked worktree, or an id: they share the store', async () => {
    const git = (...args: string[]): unknown =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: workshop.tree })
    git('commit', '--quiet', '--allow-empty', '-m', 'start')
    git('worktree', 'add', '--quiet', '../linked')
    expect(await holdfast(workshop.tree, 'acquire', '../linked/a.c')).toMatchObject({ code: 0 })
    expect((await holdfast(join(workshop.folder, 'linked'), 'ls')).stdout).toContain('file:@linked/a.c')
    expect(await holdfast(workshop.folder, 'run', 'port:1', '--', 'true')).toMatchObject({ code: 0 })
  })
})

describe('a folder that is named by its path', () => {
  test.each([['run'], ['acquire']])(
    'is only a name, and %s says so where somebody may mean what is in it',
    async (name) => {
      mkdirSync(join(workshop.tree, 'src'))
      const lock = async (...resources: readonly string[]): Promise<string> => {
        const { code, stderr } = await workshop.run([name, ...resources, ...(name === 'run' ? ['--', 'true'] : [])])
        expect(code).toBe(0)
        return stderr
      }
      expect(await lock('src/', 'new')).toMatch(
        /^holdfast: only the name of the folder 'src\/' .* 'src\/\*\*'.*file:src\)\n$/,
      )
      expect(await lock('src/inner/**', 'file:a', 'b')).toBe('')
    },
  )
})

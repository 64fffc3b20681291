import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'

export const root: string = resolve(import.meta.dirname, '../..')

/** What git keeps, and what it would keep after `git add --all`. */
export function keptFiles(): readonly string[] {
  const args = ['-c', `safe.directory=${root}`, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0')
  return [...new Set(listed)].filter(
    (path) => path !== '' && statSync(join(root, path), { throwIfNoEntry: false })?.isFile(),
  )
}

/** Every TypeScript file of a folder: its path below that folder, with `/`, to its text. */
export function readSources(folder: string): ReadonlyMap<string, string> {
  const cwd = join(root, folder)
  return new Map(
    globSync('**/*.ts', { cwd }).map((path) => [path.split(sep).join('/'), readFileSync(join(cwd, path), 'utf8')]),
  )
}

import { statSync } from 'node:fs'
import { parse as parsePath } from 'node:path'
import type { Claim, Mode } from '../core/model.ts'
import { fileResource } from '../core/resource/file-resource.ts'
import { realPath } from '../core/resource/real-path.ts'
import { parseClaims } from '../core/resource/resource.ts'
import { repositoryOf, workingTreeOf } from '../core/resource/working-tree.ts'
import { UsageError } from './failure.ts'
import type { Setting } from './settings.ts'

/** What is asked for, in canonical form. @throws InvalidRequestError that names the argument and the rule */
export function claimsOf(args: readonly string[], mode: Mode, store: Setting): Claim[] {
  return parseClaims(
    args.map((arg) => resourceOf(arg, store)),
    mode,
  )
}

/**
 * The id that an argument means: with a `:` it is one, without it is a path, relative to the root of its git working
 * tree. A path in no working tree is relative to the root of the file system: there is only one of those on a machine.
 *
 * @throws UsageError for a path of another repository than the current folder's, where the store is the default one:
 *   each has its own, so that two commands would hold the same file in two stores
 */
export function resourceOf(arg: string, store: Setting): string {
  if (arg.includes(':')) return arg
  const tree = workingTreeOf(realPathOr(arg))
  if (store.source === 'default') refuseOtherRepository(arg, tree)
  if (arg === '' || tree !== undefined) return fileResource(arg)
  return fileResource(arg, { root: parsePath(process.cwd()).root })
}

/** What to say to somebody who locks a folder by its path, and may believe that this locks what is in it. */
export function folderNotices(args: readonly string[], store: Setting): string[] {
  return args.filter(isFolder).map((arg) => {
    const all = `${arg.replace(/[\\/]+$/, '')}/**`
    const id = resourceOf(arg, store)
    return `only the name of the folder '${arg}' is locked: with all that is in it, it is '${all}'. (Without this notice: ${id})`
  })
}

function isFolder(arg: string): boolean {
  return !arg.includes(':') && statSync(arg, { throwIfNoEntry: false })?.isDirectory() === true
}

function refuseOtherRepository(arg: string, tree: string | undefined): void {
  const current = workingTreeOf(realPathOr('.'))
  const [theirs, ours] = [tree, current].map((root) => (root === undefined ? undefined : repositoryOf(root)))
  if (theirs === ours) return
  throw new UsageError(
    `'${arg}' lies in ${tree === undefined ? 'no repository' : `the repository ${tree}`}, and the current folder in ${current ?? 'none'}: each keeps its locks in a file of its own. Run holdfast there, or name one store for both with --store.`,
  )
}

/** Where the file system refuses to look, `fileResource` says so better. */
function realPathOr(path: string): string {
  try {
    return realPath(path)
  } catch {
    return process.cwd()
  }
}

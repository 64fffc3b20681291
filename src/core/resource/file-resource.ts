import { existsSync } from 'node:fs'
import { isAbsolute, relative, sep } from 'node:path'
import { InvalidRequestError, isResourceLockError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import { show } from '../show.ts'
import { caseOnDisk, realPath } from './real-path.ts'
import { parseResource } from './resource.ts'
import { workingTreeOf, worktreeNameOf } from './working-tree.ts'

export interface FileResourceOptions {
  /** The folder that ids are relative to. Default: the root of the git working tree that contains the file. */
  readonly root?: string
}

/**
 * The canonical `file:` id of a path: the same for every way to write it, on every platform, so that two spellings of
 * one file are one lock. Symbolic links are resolved as far as the path exists, case is as on the disk, `/` separates.
 * The id is relative to the root. In a linked git worktree `@NAME/` stands in front, because the worktrees of a
 * repository share its default store, and a path in two of them is two files; not so where a `root` is given.
 *
 * A `/**` at the end stays: the folder with everything under it. Any other character is plain text, percent signs and
 * glob characters included; `**` elsewhere is refused, because it looks like a pattern and would not be one.
 *
 * @param path relative ones start at the working directory; the file need not exist
 * @throws InvalidRequestError if the path lies outside the root or in no working tree, if its name cannot be a
 *   resource id (control characters, more than 1024 bytes), or if the file system refuses to look
 */
export function fileResource(path: string, options: FileResourceOptions = {}): `file:${string}` {
  checkOptions(options, ['root'], 'fileResource')
  checkPath(path)
  const { folder, isTree } = splitTree(path)
  const real = resolveOrRefuse(folder)
  const root = options.root === undefined ? treeOrRefuse(real, path) : rootOrRefuse(options.root)
  if (!isInside(real, root)) throw new InvalidRequestError(outside(path, real, root))
  const segments = relative(root, caseOnDisk(real, root)).split(sep)
  if (segments.includes('**'))
    throw new InvalidRequestError(`${show(path)} leads to a file named '**', which no id can name.`)
  const worktree = options.root === undefined ? worktreeNameOf(root) : undefined
  const id = `file:${worktree === undefined ? segments.join('/') : inWorktree(worktree, segments)}` as const
  if (!isTree) return checkId(id, path)
  return checkId(id === 'file:' ? 'file:**' : `${id}/**`, path)
}

function inWorktree(name: string, segments: readonly string[]): string {
  return [`@${name}`, ...segments.filter((segment) => segment !== '')].join('/')
}

function checkPath(path: unknown): asserts path is string {
  if (typeof path !== 'string' || path === '') throw new InvalidRequestError(`${show(path)} is not a path.`)
  if (path.startsWith('file:')) {
    throw new InvalidRequestError(`${show(path)} is an id or a URL already: fileResource takes a path.`)
  }
  if (/\p{Cc}/u.test(path)) {
    throw new InvalidRequestError(`${show(path)} has a control character, which no resource id may have.`)
  }
}

function splitTree(path: string): { readonly folder: string; readonly isTree: boolean } {
  const segments = path.split(sep === '/' ? '/' : /[\\/]/)
  const isTree = segments.at(-1) === '**'
  const folder = isTree ? path.slice(0, -'**'.length) || '.' : path
  if ((isTree ? segments.slice(0, -1) : segments).includes('**')) {
    throw new InvalidRequestError(`${show(path)}: '**' may only stand at the end, after a '/'.`)
  }
  return { folder, isTree }
}

function resolveOrRefuse(path: string): string {
  try {
    return realPath(path)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidRequestError(`${show(path)} cannot be resolved: ${why}.`, { cause })
  }
}

function rootOrRefuse(root: string): string {
  checkPath(root)
  const real = resolveOrRefuse(root)
  if (existsSync(real)) return real
  throw new InvalidRequestError(`root: ${show(root)} does not exist.`)
}

function treeOrRefuse(real: string, path: string): string {
  const tree = workingTreeOf(real)
  if (tree !== undefined) return tree
  const where = real === path ? '' : ` (${show(real)})`
  throw new InvalidRequestError(
    `${show(path)}${where} is in no git working tree: say what it is relative to, with { root }.`,
  )
}

function isInside(path: string, root: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

function outside(path: string, real: string, root: string): string {
  const where = real === path ? '' : `: it is ${show(real)}`
  return `${show(path)} lies outside the root ${show(root)}${where}. Lock it under the root it belongs to.`
}

function checkId<Id extends string>(id: Id, path: string): Id {
  try {
    parseResource(id)
    return id
  } catch (cause) {
    if (!isResourceLockError(cause, 'INVALID')) throw cause
    throw new InvalidRequestError(`${show(path)} cannot be locked: ${cause.message}`, { cause })
  }
}

import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { type Environment, stateFolder } from '../../core/disk/state-folder.ts'
import { outermostGitFolder } from '../../core/resource/working-tree.ts'

const FILE_NAME = 'locks.db'
const FOLDER_NAME = 'holdfast'
const DEFAULT_NAMESPACE = 'default'
/** File names end at 255 bytes nearly everywhere; the rest is for the database's own name and suffixes such as `-wal`. */
const LONGEST_ENCODED = 160

/**
 * The database file of a folder. Inside a git repository `<git common dir>/holdfast/locks.db`, so
 * that all working trees of the repository share it and none of them sees it; inside a submodule
 * that of the outermost repository, because a submodule's files are part of its working tree;
 * elsewhere one file in the user's state folder. Nothing is created, git is not run.
 *
 * @param cwd default: the process's working directory.
 * @param env default: the process's environment.
 */
export function defaultDatabasePath(cwd: string = process.cwd(), env: Environment = process.env): string {
  const commonDir = gitCommonDir(cwd, env)
  return join(commonDir === undefined ? stateFolder(env) : outermostGitFolder(commonDir), FOLDER_NAME, FILE_NAME)
}

/**
 * The file of a namespace: `path` itself for `default`, else a sibling named after it
 * (`locks.db` -> `locks.team-a.db`). Different namespaces have different files on every file
 * system, also where upper and lower case are one: all but `a-z 0-9 - _` is written as `%` and the
 * hexadecimal digits of its UTF-8 bytes; a name that would be too long as `%-` and its SHA-256.
 *
 * @throws RangeError if the namespace is not well-formed Unicode (a lone surrogate).
 */
export function namespaceFile(path: string, namespace: string): string {
  if (namespace === DEFAULT_NAMESPACE) return path
  const extension = extname(path)
  return join(dirname(path), `${basename(path, extension)}.${encodeNamespace(namespace)}${extension}`)
}

/**
 * What `git rev-parse --git-common-dir` says for a folder, as a real path; undefined outside of a
 * repository and where git would refuse (a `.git` file that leads nowhere).
 *
 * Follows gitrepository-layout(5) and git(1): worktrees and submodules (`.git` files), bare
 * repositories, GIT_DIR, GIT_COMMON_DIR, GIT_CEILING_DIRECTORIES, and it stops where another file
 * system begins, unless GIT_DISCOVERY_ACROSS_FILESYSTEM is set. Who owns the repository is not asked.
 */
export function gitCommonDir(cwd: string, env: Environment): string | undefined {
  const start = realPath(resolve(cwd))
  if (start === undefined) return undefined
  const fromEnv = env['GIT_DIR']
  const gitDir = fromEnv ? gitDirAt(resolve(start, fromEnv), start, env) : discoverGitDir(start, env)
  return gitDir === undefined ? undefined : realPath(commonDirOf(gitDir, start, env))
}

function encodeNamespace(namespace: string): string {
  if (!namespace.isWellFormed()) throw new RangeError('A namespace must be well-formed Unicode.')
  const encoded = Array.from(Buffer.from(namespace, 'utf8'), encodeByte).join('')
  if (encoded.length <= LONGEST_ENCODED) return encoded
  // No plain encoding holds `%-`, so a hashed name is never that of another namespace.
  return `%-${createHash('sha256').update(namespace).digest('hex')}`
}

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte)
  return /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
}

/** Walks up as git does: in each folder first `.git`, then the folder itself (a bare repository, or inside of `.git`). */
function discoverGitDir(start: string, env: Environment): string | undefined {
  const ceilings = ceilingFolders(env)
  const acrossFileSystems = isTrue(env['GIT_DISCOVERY_ACROSS_FILESYSTEM'])
  const device = deviceOf(start)
  for (let folder = start; ; folder = dirname(folder)) {
    const dotGit = join(folder, '.git')
    // Git goes on above a `.git` folder that is no repository, but not above a `.git` file.
    if (isFile(dotGit)) return gitDirAt(dotGit, start, env)
    if (isGitDir(dotGit, start, env)) return dotGit
    if (isGitDir(folder, start, env)) return folder
    const parent = dirname(folder)
    if (parent === folder || ceilings.has(parent)) return undefined
    if (!acrossFileSystems && deviceOf(parent) !== device) return undefined
  }
}

/** A git folder given as such or by a `.git` file that names it (`gitdir: ../.git/worktrees/a`). */
function gitDirAt(path: string, start: string, env: Environment): string | undefined {
  let gitDir = path
  if (isFile(path)) {
    const target = /^gitdir: (.+?)[\r\n]*$/s.exec(readText(path) ?? '')?.[1]
    if (target === undefined) return undefined
    gitDir = resolve(dirname(path), target)
  }
  return isGitDir(gitDir, start, env) ? gitDir : undefined
}

/** A worktree's own git folder holds little more than HEAD; its file `commondir` names the folder that all worktrees share. */
function commonDirOf(gitDir: string, start: string, env: Environment): string {
  const fromEnv = env['GIT_COMMON_DIR']
  if (fromEnv) return resolve(start, fromEnv)
  const shared = readText(join(gitDir, 'commondir'))?.replace(/[\r\n]+$/, '')
  return shared ? resolve(gitDir, shared) : gitDir
}

function isGitDir(path: string, start: string, env: Environment): boolean {
  if (!hasHead(path)) return false
  const common = commonDirOf(path, start, env)
  const objects = env['GIT_OBJECT_DIRECTORY']
  return isFolder(objects ? resolve(start, objects) : join(common, 'objects')) && isFolder(join(common, 'refs'))
}

function hasHead(gitDir: string): boolean {
  const head = join(gitDir, 'HEAD')
  try {
    // In very old repositories HEAD is a symbolic link to a branch, which need not exist yet.
    return readlinkSync(head).startsWith('refs/')
  } catch {
    return /^(?:ref:\s*refs\/|[0-9a-f]{40})/.test(readText(head) ?? '')
  }
}

function ceilingFolders(env: Environment): ReadonlySet<string> {
  const folders = (env['GIT_CEILING_DIRECTORIES'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder))
  return new Set(folders.map((folder) => realPath(folder) ?? resolve(folder)))
}

/** A boolean of git's: `true`, `yes`, `on` or a number other than 0. */
function isTrue(value: string | undefined): boolean {
  return /^(?:true|yes|on|[+-]?0*[1-9]\d*)$/i.test(value ?? '')
}

function deviceOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.dev
}

function isFile(path: string): boolean {
  return kindOf(path) === 'file'
}

function isFolder(path: string): boolean {
  return kindOf(path) === 'folder'
}

function kindOf(path: string): 'file' | 'folder' | 'none' {
  try {
    const stats = statSync(path)
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'none'
  } catch {
    return 'none'
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}

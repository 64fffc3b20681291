import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/**
 * The root of the git working tree that contains a path. A linked worktree is a working tree of its own; a submodule
 * belongs to the tree that it is in, so that a tree lock of that one covers it, and `file:a` is not two files.
 *
 * @param real a path as `realPath` gives it
 * @returns `undefined` where there is none
 */
export function workingTreeOf(real: string): string | undefined {
  let outermost: string | undefined
  for (let folder = real; ; folder = dirname(folder)) {
    const gitFolder = gitFolderOf(folder)
    if (gitFolder !== undefined) {
      if (isLinkedWorktree(gitFolder) || outermostGitFolder(gitFolder) === gitFolder) return folder
      outermost = folder
    }
    if (dirname(folder) === folder) return outermost
  }
}

/**
 * The git folder of the repository that a working tree belongs to: one for all its linked worktrees and submodules, as
 * they share a default store.
 */
export function repositoryOf(root: string): string | undefined {
  const gitFolder = gitFolderOf(root)
  if (gitFolder === undefined) return undefined
  return outermostGitFolder(isLinkedWorktree(gitFolder) ? dirname(dirname(gitFolder)) : gitFolder)
}

/** The name that git has given to a linked worktree; `undefined` for a main working tree. */
export function worktreeNameOf(root: string): string | undefined {
  const gitFolder = gitFolderOf(root)
  return gitFolder !== undefined && isLinkedWorktree(gitFolder) ? basename(gitFolder) : undefined
}

/**
 * The git folder around that of a submodule, which lies in `modules/NAME` of it, or of one of its worktrees; any other
 * git folder is its own.
 */
export function outermostGitFolder(gitFolder: string): string {
  const inner = gitFolder.search(/[\\/](?:worktrees[\\/][^\\/]+[\\/])?modules[\\/]/)
  const outer = inner < 0 ? gitFolder : gitFolder.slice(0, inner)
  return existsSync(join(outer, 'HEAD')) ? outer : gitFolder
}

/**
 * git keeps what is a linked worktree's own (of a submodule too) in `worktrees/NAME` of the repository's git folder. Only
 * the name counts: the folder may be out of sight, in a container, where ids must be the same.
 */
function isLinkedWorktree(gitFolder: string): boolean {
  return basename(dirname(gitFolder)) === 'worktrees' && basename(gitFolder) !== '.git'
}

/** Where a folder's `.git` is, or leads to. */
function gitFolderOf(root: string): string | undefined {
  const git = join(root, '.git')
  try {
    const target = /^gitdir: (?<folder>.+?)\s*$/.exec(readFileSync(git, 'utf8'))?.groups?.['folder']
    return target === undefined ? git : resolve(root, target)
  } catch (error) {
    // A folder of that name alone makes no repository.
    const isFolder = (error as NodeJS.ErrnoException).code === 'EISDIR'
    return isFolder && existsSync(join(git, 'HEAD')) ? git : undefined
  }
}

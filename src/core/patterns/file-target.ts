import { createHash } from 'node:crypto'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, readIfExists, statIfExists, textOf } from '../disk/file-content.ts'
import { InvalidRequestError, LockBusyError } from '../errors.ts'
import { realPath } from '../resource/real-path.ts'
import { show } from '../show.ts'
import { formatDuration } from '../time/duration.ts'
import type { OptimisticTarget } from './optimistic.ts'

// A side file lives for milliseconds, and its clock starts again with each write to it.
const LEFT_OVER_AFTER_MS = 10_000
const NO_HARD_LINKS = new Set<string | undefined>(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * A text file (UTF-8) as a target of `optimisticUpdate`. Its version is the SHA-256 of its content; a missing file
 * reads as `null`. Relative paths start at the working directory; symbolic links are followed, and stay.
 *
 * New content goes into a side file of the same folder (`.NAME.holdfast-write`), is synced to the disk and takes the
 * file's place in one step: a reader sees the old content or the new, never a part. The mode is kept; the owner is
 * whoever wrote.
 *
 * **What is safe.** No user of `fileTarget` overwrites unseen what another one wrote to the same path on the same
 * machine: the side file is created exclusively, and compare and replace happen while it exists. To create a file that
 * was missing is safe against everybody, where the file system has hard links.
 *
 * **What is not.** A program that does not use `fileTarget` (an editor, `git checkout`) may write between compare and
 * replace, a fraction of a millisecond apart, and what it wrote is lost: no file system call replaces a file on
 * condition of its content. A file that was changed and changed back counts as unchanged. On a network file system all
 * of this is only as good as its exclusive create.
 *
 * **After a crash** in the middle of a write the side file stays. Once it is 10 seconds old, `writeIf` fails with
 * LockBusyError (BUSY) and names it: whether its writer is dead or only halted is not for this function to guess.
 */
export function fileTarget(path: string): OptimisticTarget<string | null, string | null, string> {
  const absolute = resolve(path)
  return {
    async read() {
      const bytes = await readIfExists(absolute)
      return {
        value: bytes === null ? null : textOf(bytes, absolute, 'it cannot be updated as text'),
        version: versionOf(bytes),
      }
    },
    async writeIf(version, text) {
      if (typeof text !== 'string')
        throw new InvalidRequestError(`A file cannot be set to ${show(text)}: give a string.`)
      const target = realPath(absolute)
      const side = join(dirname(target), `.${basename(target)}.holdfast-write`)
      const replaced = await statIfExists(target)
      const mode = replaced === null ? null : replaced.mode & 0o7777
      const handle = await openSide(side, mode)
      if (handle === null) return false
      let consumed = false
      try {
        await fill(handle, text, mode)
        if (versionOf(await readIfExists(target)) !== version) return false
        if (version === null) {
          const outcome = await linkInto(side, target)
          if (outcome !== 'unsupported') return outcome === 'created'
        }
        await rename(side, target)
        consumed = true
        return true
      } finally {
        // Once it was renamed, a side file of that name is somebody else's.
        if (!consumed) await rm(side, { force: true })
      }
    },
  }
}

function versionOf(bytes: Buffer | null): string | null {
  return bytes === null ? null : createHash('sha256').update(bytes).digest('hex')
}

/** @returns `null` where somebody else is writing at this moment */
async function openSide(side: string, mode: number | null): Promise<FileHandle | null> {
  try {
    return await open(side, 'wx', mode ?? 0o666)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  const blocking = await statIfExists(side)
  const ageMs = blocking === null ? 0 : Date.now() - blocking.mtimeMs
  if (ageMs > LEFT_OVER_AFTER_MS) throw new LockBusyError(leftOver(side, ageMs))
  return null
}

function leftOver(side: string, ageMs: number): string {
  return (
    `${show(side)} has been in the way for ${formatDuration(ageMs)}: a writer has probably crashed. ` +
    'Make sure that none is running, delete that file, and try again.'
  )
}

async function fill(handle: FileHandle, text: string, mode: number | null): Promise<void> {
  try {
    // Before the content, so that nobody reads it who may not; `open` alone is subject to the umask.
    if (mode !== null) await handle.chmod(mode)
    await handle.writeFile(text, 'utf8')
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Gives the side file the target's name too, unless that is taken: unlike a rename, this replaces nothing. */
async function linkInto(side: string, target: string): Promise<'created' | 'exists' | 'unsupported'> {
  try {
    await link(side, target)
    return 'created'
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'exists'
    if (NO_HARD_LINKS.has(codeOf(error))) return 'unsupported'
    throw error
  }
}

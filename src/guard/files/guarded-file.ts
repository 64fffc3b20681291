import { basename, dirname, join, resolve } from 'node:path'
import { readIfExists, textOf } from '../../core/disk/file-content.ts'
import { InvalidRequestError } from '../../core/errors.ts'
import { checkOptions } from '../../core/options.ts'
import { realPath } from '../../core/resource/real-path.ts'
import { show } from '../../core/show.ts'
import { checkResetTo, type Fenced } from '../fence.ts'
import { type FenceFolder, highestIn, resetFolder, syncFolder, takeTicket, type Ticket } from './fence-folder.ts'
import { checkContent, fill } from './new-content.ts'

const READ_AS_BYTES = 'read it as bytes with the option `encoding: null`'

/** How a guarded file is written. */
export interface GuardedFileOptions {
  /** Mode of a file that does not exist yet, before the umask. Default `0o666`. One that exists keeps its own. */
  readonly mode?: number
  /**
   * Whether the file keeps its owner and group. Default true; then the update fails where this process may not give
   * files away. False: they become those of this process.
   */
  readonly keepOwner?: boolean
}

/** How a guarded file is read and written. */
export interface GuardedUpdateOptions extends GuardedFileOptions {
  /** `'utf8'`: as a string, with a byte order mark if it has one. `null`: as bytes. Default `'utf8'`. */
  readonly encoding?: 'utf8' | null
}

const FILE_OPTIONS: readonly (keyof GuardedFileOptions)[] = ['mode', 'keepOwner']
const UPDATE_OPTIONS: readonly (keyof GuardedUpdateOptions)[] = [...FILE_OPTIONS, 'encoding']

/**
 * Reads a file, changes it and writes it back, unless a later holder has been there: **enters** with the lock's fencing
 * token, then reads, then calls `fn`, then writes. Once it has entered, no update with a lower token can be written any
 * more, wherever its process stood still; the reasons are in `fence-folder.ts`.
 *
 * The new content goes into a side file, is synced to the disk and takes the file's place in one step: a reader sees the
 * old content or the new, and after a crash there is one or the other. Mode, owner and group are kept. Symbolic links
 * are followed, and stay. Not kept: other hard links to the old content, access lists and extended attributes.
 *
 * The highest token is kept beside the file, as the name of an empty file in the folder `.NAME.fence`.
 *
 * **What it cannot promise.** Who writes without the guard is not seen, and may be overwritten or overwrite. Who deletes
 * the folder resets the guard. The guarantee is for the processes of one machine on a local file system.
 *
 * @param lock exclusive; the guard asks for its token only, not whether it is still held
 * @param path relative ones start at the working directory; the folder must exist, the file need not
 * @param fn makes the new content from the present one, `null` where there is no file. If it throws, nothing is written.
 * @returns what was written
 * @throws FencedOutError (FENCED_OUT) if a later holder has been there; nothing was written
 * @throws LockBusyError (BUSY) if another update of this file runs under the same lock
 * @throws InvalidRequestError (INVALID) for a shared lock, what is no file, no UTF-8, or an owner that cannot be kept
 * @throws what `fn` throws, and the file system's own errors
 */
export function guardedUpdateFile<Content extends string | Uint8Array>(
  lock: Fenced,
  path: string,
  fn: (content: string | null) => Content | Promise<Content>,
  options?: GuardedFileOptions & { readonly encoding?: 'utf8' },
): Promise<Content>
export function guardedUpdateFile<Content extends string | Uint8Array>(
  lock: Fenced,
  path: string,
  fn: (content: Buffer | null) => Content | Promise<Content>,
  options: GuardedFileOptions & { readonly encoding: null },
): Promise<Content>
export async function guardedUpdateFile<Content extends string | Uint8Array>(
  lock: Fenced,
  path: string,
  fn: (content: never) => Content | Promise<Content>,
  options: GuardedUpdateOptions = {},
): Promise<Content> {
  checkOptions(options, UPDATE_OPTIONS, 'guardedUpdateFile')
  const target = targetOf(path)
  return replace(lock, target, options, async () => {
    const bytes = await readIfExists(target)
    const content = bytes === null || options.encoding === null ? bytes : textOf(bytes, path, READ_AS_BYTES)
    return fn(content as never)
  })
}

/**
 * Replaces the content of a file, unless a later holder has been there. As {@link guardedUpdateFile}, without reading:
 * for content that does not depend on what is in the file.
 */
export async function guardedWriteFile(
  lock: Fenced,
  path: string,
  data: string | Uint8Array,
  options: GuardedFileOptions = {},
): Promise<void> {
  checkOptions(options, FILE_OPTIONS, 'guardedWriteFile')
  checkContent(data)
  await replace(lock, targetOf(path), options, () => data)
}

/** The highest fencing token that has entered a guarded file; 0 for none. */
export async function fileFence(path: string): Promise<number> {
  return highestIn(fenceOf(targetOf(path)).path)
}

/**
 * The administrator's way out where a token that no clock will reach has entered, so that every new holder is refused.
 * Sets the highest token to `to`, and calls off all updates that are under way. While somebody works on the file
 * this takes the guard away from them, so stop them before.
 *
 * @param to default 0: the guard forgets all tokens
 * @returns the highest token until now
 */
export async function resetFileFence(path: string, to: number = 0): Promise<number> {
  return resetFolder(fenceOf(targetOf(path)).path, checkResetTo(to))
}

async function replace<Content extends string | Uint8Array>(
  lock: Fenced,
  target: string,
  options: GuardedFileOptions,
  contentOf: () => Content | Promise<Content>,
): Promise<Content> {
  const ticket = await takeTicket(fenceOf(target), lock, options.mode ?? 0o666)
  const content = await fillTicket(ticket, target, options, contentOf)
  try {
    await ticket.publish(target)
  } catch (error) {
    await ticket.discard()
    throw error
  }
  await syncFolder(dirname(target))
  return content
}

async function fillTicket<Content extends string | Uint8Array>(
  ticket: Ticket,
  target: string,
  { keepOwner = true }: GuardedFileOptions,
  contentOf: () => Content | Promise<Content>,
): Promise<Content> {
  try {
    const content = checkContent(await contentOf())
    await fill(ticket.handle, content, target, keepOwner)
    await ticket.handle.close()
    return content
  } catch (error) {
    await ticket.discard()
    throw error
  }
}

function targetOf(path: string): string {
  if (typeof path !== 'string' || path === '') throw new InvalidRequestError(`${show(path)} is not a path.`)
  return realPath(resolve(path))
}

function fenceOf(target: string): FenceFolder {
  return { path: join(dirname(target), `.${basename(target)}.fence`), guarded: show(target) }
}

import {
  access,
  chmod,
  chown,
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../../core/disk/file-content.ts'
import { LockBusyError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'
import { type Fenced, fencedOut, tokenOf } from '../fence.ts'

/*
 * A fence on a local file system, without a lock that somebody could hold while it stands still or dies.
 *
 * A folder holds empty files. `7` says: token 7 has entered. `7.new` is the ticket of an update with token 7: the new
 * content is written into it, and renaming it to the data file is what publishes it. To enter with token T:
 *
 *   1. create `T`              2. create `T.new`            3. list the folder
 *   4. refuse if a higher token is listed, or if `T` itself is gone
 *   5. remove every lower ticket, then every lower token, lowest first
 *
 * and only then is the data read. Each line is one atomic call of the file system (a removal of several files: one
 * each), and a process may stand still or be killed between any two.
 *
 * **No lower token writes after T has read.** Let an update with a lower token L reach its rename. It had created
 * `L.new` before it listed the folder, and T had created `T` before it listed.
 * - If L listed before T was created, then `L.new` was there before T listed. T saw it and removed it, or it had been
 *   renamed by then. So L published before T read, or its rename fails for want of its source: that is the refusal.
 *   Rename looks its source up and moves it in one step, so there is no moment between check and write.
 * - If L listed after T was created, L saw `T`, and was refused, or `T` was gone already, removed by step 5 of a higher
 *   token. Then the same holds for that one.
 *
 * **A token that has entered is not overlooked.** A listing shows everything that is there all the while; it may miss
 * what is removed meanwhile. Let H be the highest token when L began to list, and missed. It was removed meanwhile by
 * some Z > H, which was created after that, thus after `L` and `L.new`, so Z's listing had shown these, and they were
 * removed before H: tickets come before tokens, and tokens go lowest first. So step 4 finds `L` gone.
 *
 * The highest token only rises: a token is removed only by one that has seen a higher one in the folder.
 * What a killed process leaves is a token (which did enter) and a ticket (which the next higher token removes).
 *
 * **Equal tokens** are one lock. The ticket is created exclusively, so two updates under one lock cannot overlap.
 *
 * The file system must be a local one: a network file system may show another machine an old listing.
 */

const TICKET = '.new'
const LISTED = /^(?<token>\d+)(?<ticket>\.new)?$/u
/** What is said where a folder cannot be synced: by file systems without that, by Windows, of a folder that one may not read. */
const UNSYNCABLE = new Set<string | undefined>(['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR', 'EBADF', 'EACCES'])

const UNSHAREABLE = new Set<string | undefined>(['EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS'])

/** Where the fence of a guarded thing lies, and what the thing is called in messages. */
export interface FenceFolder {
  readonly path: string
  readonly guarded: string
}

/** The right to publish one new content, until a higher token enters. */
export interface Ticket {
  /** An empty file, open for writing. */
  readonly handle: FileHandle
  /**
   * Makes what was written the content of the target, in one step. The handle is to be closed before.
   *
   * @throws FencedOutError if a higher token has entered meanwhile; the target is as it was
   */
  publish(target: string): Promise<void>
  /** Gives it back unused. */
  discard(): Promise<void>
}

/**
 * Enters with the lock's token, and takes a ticket.
 *
 * @param mode of a file that does not exist yet; the umask applies
 * @throws FencedOutError if a higher token has entered
 * @throws LockBusyError if another update under the same lock has a ticket
 */
export async function takeTicket(fence: FenceFolder, lock: Fenced, mode: number): Promise<Ticket> {
  const token = tokenOf(lock)
  await makeFenceFolder(fence.path)
  await create(fence.path, token)
  const path = join(fence.path, `${token}${TICKET}`)
  const handle = await openTicket(path, mode, fence.guarded)
  const discard = async (): Promise<void> => {
    await handle.close()
    await rm(path, { force: true })
  }
  const publish = async (target: string): Promise<void> => {
    try {
      await rename(path, target)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      throw fencedOut(fence.guarded, lock, await highestIn(fence.path))
    }
  }
  try {
    await admit(fence, lock)
  } catch (error) {
    await discard()
    throw error
  }
  return { handle, publish, discard }
}

/**
 * Enters with the lock's token, for what is kept elsewhere than in a file.
 *
 * @throws FencedOutError if a higher token has entered
 */
export async function enterFolder(fence: FenceFolder, lock: Fenced): Promise<void> {
  const token = tokenOf(lock)
  await makeFenceFolder(fence.path)
  await create(fence.path, token)
  await admit(fence, lock)
}

/** The highest token that has entered; 0 for none. */
export async function highestIn(folder: string): Promise<number> {
  return Math.max(0, ...(await list(folder)).tokens)
}

/** Forgets every token above `to`, and every ticket. Only while nobody enters. @returns what was highest */
export async function resetFolder(folder: string, to: number): Promise<number> {
  const { tokens, tickets } = await list(folder)
  if (to > 0) {
    await makeFenceFolder(folder)
    await create(folder, to)
  }
  for (const ticket of tickets) await rm(join(folder, `${ticket}${TICKET}`), { force: true })
  for (const token of tokens) if (token !== to) await rm(join(folder, String(token)), { force: true })
  if (to > 0 || tokens.length > 0) await syncFolder(folder)
  return Math.max(0, ...tokens)
}

/** Steps 3 to 5 above; what was entered is on the disk when this is done. */
async function admit(fence: FenceFolder, lock: Fenced): Promise<void> {
  const own = lock.fencingToken
  const { tokens, tickets } = await list(fence.path)
  if (Math.max(...tokens, own) > own || !(await isThere(join(fence.path, String(own))))) {
    await rm(join(fence.path, String(own)), { force: true })
    throw fencedOut(fence.guarded, lock, await highestIn(fence.path))
  }
  const isLower = (token: number): boolean => token < own
  for (const ticket of tickets.filter(isLower)) await rm(join(fence.path, `${ticket}${TICKET}`), { force: true })
  for (const token of tokens.filter(isLower)) await rm(join(fence.path, String(token)), { force: true })
  await syncFolder(fence.path)
}

/** Both lists rise. */
async function list(folder: string): Promise<{ readonly tokens: number[]; readonly tickets: number[] }> {
  const [tokens, tickets]: [number[], number[]] = [[], []]
  for (const name of await namesIn(folder)) {
    const { token, ticket } = LISTED.exec(name)?.groups ?? {}
    if (token !== undefined) (ticket === undefined ? tokens : tickets).push(Number(token))
  }
  const rising = (a: number, b: number): number => a - b
  return { tokens: tokens.toSorted(rising), tickets: tickets.toSorted(rising) }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

async function create(folder: string, token: number): Promise<void> {
  await writeFile(join(folder, String(token)), '', { flag: 'a' })
}

async function openTicket(path: string, mode: number, guarded: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', mode)
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause
    throw new LockBusyError(
      `${guarded} is being updated under this very lock already. Await one update before the next. ` +
        `If a process that used the same lock has crashed, lock anew, or delete ${show(path)}.`,
      { cause },
    )
  }
}

async function makeFenceFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw error
  }
  await shareAsParent(path)
  await syncFolder(dirname(path))
}

/** Whoever may create files beside the folder may use it too: it takes over the mode and, as root, the owner of its parent. */
async function shareAsParent(path: string): Promise<void> {
  const { mode, uid, gid } = await stat(dirname(path))
  try {
    if (process.getuid?.() === 0) await chown(path, uid, gid)
    await chmod(path, mode & 0o7777)
  } catch (error) {
    // Some file systems have neither, and some containers have not all users. Then it is this user's alone.
    if (!UNSHAREABLE.has(codeOf(error))) throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** Puts the names of a folder on the disk, where the system has a way to. */
export async function syncFolder(path: string): Promise<void> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    await handle.sync()
  } catch (error) {
    if (!UNSYNCABLE.has(codeOf(error))) throw error
  } finally {
    await handle?.close()
  }
}

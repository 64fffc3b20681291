import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { codeOf, statIfExists } from '../../core/disk/file-content.ts'
import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'

/** @throws InvalidRequestError if the value cannot be a file's content: a callback that forgot its `return`, say */
export function checkContent<Content extends string | Uint8Array>(content: Content): Content {
  if (typeof content === 'string' || content instanceof Uint8Array) return content
  throw new InvalidRequestError(`A file cannot be set to ${show(content)}: give a string or bytes.`)
}

/**
 * Writes content into a file that is to replace the target, with the target's owner and mode, down to the disk.
 *
 * @throws InvalidRequestError if the target is no file, or its owner is to be kept and cannot
 */
export async function fill(
  handle: FileHandle,
  content: string | Uint8Array,
  target: string,
  keepOwner: boolean,
): Promise<void> {
  const replaced = await statIfExists(target)
  if (replaced !== null) {
    if (!replaced.isFile()) throw new InvalidRequestError(`${show(target)} is not a regular file.`)
    // Both before the content, so that nobody reads it who may not; and `chown` takes bits of the mode away.
    if (keepOwner) await giveTo(handle, replaced, target)
    await handle.chmod(replaced.mode & 0o7777)
  }
  await handle.writeFile(content)
  await handle.sync()
}

async function giveTo(handle: FileHandle, { uid, gid }: Stats, target: string): Promise<void> {
  const own = await handle.stat()
  if (own.uid === uid && own.gid === gid) return
  try {
    await handle.chown(uid, gid)
  } catch (cause) {
    if (codeOf(cause) !== 'EPERM') throw cause
    throw new InvalidRequestError(
      `${show(target)} belongs to user ${uid} and group ${gid}, and this process may not give a file to them. ` +
        'Update it as its owner, or with the option `keepOwner: false`.',
      { cause },
    )
  }
}

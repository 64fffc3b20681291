import { accessSync, chownSync, constants, globSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Debian's own for whoever should own nothing. Some servers refuse to run as root. */
const NOBODY = 65_534

/** Whom a server runs as, where the tests themselves run as root. */
export const unprivileged: { readonly uid?: number; readonly gid?: number } =
  process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/**
 * The path of a server's program: from PATH, or else from the folders where its package puts it.
 *
 * @throws Error that says what to install
 */
export function serverProgram(name: string, folders: string, debianPackage: string): string {
  const inPath = (process.env['PATH'] ?? '').split(delimiter)
  const found = [...inPath, ...globSync(folders).toSorted().toReversed()].map((folder) => join(folder, name))
  const program = found.find((path) => isProgram(path))
  if (program !== undefined) return program
  throw new Error(
    `The tests need ${name}, which is neither in PATH nor in ${folders}: apt-get install ${debianPackage}`,
  )
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A folder that a server may write to. */
export function serverFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`))
  const { uid, gid } = unprivileged
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

/** Writes a file that a server may read. */
export function writeServerFile(path: string, text: string): void {
  writeFileSync(path, text)
  const { uid, gid } = unprivileged
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

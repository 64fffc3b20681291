import { type BigIntStats, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'

// As many links as Linux follows.
const MOST_LINKS = 40

/**
 * The one absolute path of a file, whether or not it exists: symbolic links resolved as far as there is something on
 * the disk, a link to nothing included; what follows is taken as written. `..` after a link leads, as for the operating
 * system, to the folder above the link's target.
 *
 * Case is as on the disk where the operating system tells it (macOS, Windows); elsewhere see {@link caseOnDisk}.
 *
 * @param path relative ones start at the working directory
 * @throws the file system's own error where it refuses (EACCES, ELOOP)
 */
export function realPath(path: string): string {
  // Not `resolve`, which would take `link/..` away before the link is looked at.
  return follow(isAbsolute(path) ? path : `${process.cwd()}${sep}${path}`, MOST_LINKS)
}

function follow(path: string, linksLeft: number): string {
  try {
    return realpathSync.native(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || linksLeft === 0 || dirname(path) === path) throw error
  }
  const parent = follow(dirname(path), linksLeft)
  const link = readLink(join(parent, basename(path)))
  if (link === undefined) return join(parent, basename(path))
  return follow(isAbsolute(link) ? link : `${parent}${sep}${link}`, linksLeft - 1)
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/**
 * An absolute path with the case of its names as they stand in their folders, for file systems that ignore case below
 * an operating system that does not say so (a Windows drive in WSL, a folder of ext4 with `+F`).
 * Elsewhere it costs two file system calls per name and changes nothing.
 *
 * @param base an ancestor whose own case is right
 */
export function caseOnDisk(path: string, base: string): string {
  return relative(base, path)
    .split(sep)
    .reduce((folder, name) => join(folder, nameOnDisk(folder, name)), base)
}

function nameOnDisk(folder: string, name: string): string {
  const other = otherCase(name)
  if (other === name || !isSameFile(join(folder, name), join(folder, other))) return name
  const names = namesIn(folder)
  // Both spellings may be there as well, as two hard links.
  return names.includes(name) ? name : (names.find((each) => each.toLowerCase() === name.toLowerCase()) ?? name)
}

/** Every letter in its other case, but for those (such as ß) that a disk does not map, because they become two. */
function otherCase(name: string): string {
  return name.replaceAll(/\p{L}/gu, (letter) => {
    const lower = letter.toLowerCase()
    const other = lower === letter ? letter.toUpperCase() : lower
    return other.length === letter.length ? other : letter
  })
}

function isSameFile(a: string, b: string): boolean {
  const one = statOf(a)
  const two = one && statOf(b)
  return one !== undefined && two !== undefined && one.ino === two.ino && one.dev === two.dev
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    // Below something that is no folder, or that may not be entered, there is nothing to compare with.
    return undefined
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

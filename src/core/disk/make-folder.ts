import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it that are missing, all with this mode. One after the other: asked to make all of
 * them at once, Node never comes back from some places, such as below `/proc`.
 *
 * @throws the file system's own error
 */
export function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path), mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    // Somebody else was faster.
    if (!existsSync(path)) throw error
  }
}

import { closeSync, openSync } from 'node:fs'

/**
 * Whether this process has a controlling terminal, whatever its stdin is: `git log | holdfast run x -- less` reads its
 * keys from there, too.
 */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

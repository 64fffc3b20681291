import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The variables of a process's environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Where programs keep what is of this user and this machine: `%LOCALAPPDATA%` on Windows, `~/Library/Application
 * Support` on macOS, elsewhere what the XDG base directory specification says.
 */
export function stateFolder(env: Environment): string {
  if (process.platform === 'win32') return absolute(env['LOCALAPPDATA']) ?? join(home(env), 'AppData', 'Local')
  if (process.platform === 'darwin') return join(home(env), 'Library', 'Application Support')
  return absolute(env['XDG_STATE_HOME']) ?? join(home(env), '.local', 'state')
}

function home(env: Environment): string {
  return absolute(process.platform === 'win32' ? env['USERPROFILE'] : env['HOME']) ?? homedir()
}

/** The XDG specification says to ignore relative paths: they would mean another file in each folder. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

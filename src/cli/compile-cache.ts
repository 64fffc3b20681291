// Not by its name, which an older Node does not export: this must load there, or the complaint about it would not be heard.
import module from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * Lets Node keep what it has compiled: hooks call this program again and again. In the user's own folder, not in Node's
 * default one, which is where everybody may write. Node does without where it cannot write, or is told not to
 * (NODE_DISABLE_COMPILE_CACHE).
 */
export function cacheCompiledCode(): void {
  module.enableCompileCache(join(cacheFolder(process.env), 'holdfast', 'compiled'))
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches')
  const { XDG_CACHE_HOME: given = '' } = env
  return isAbsolute(given) ? given : join(homedir(), '.cache')
}

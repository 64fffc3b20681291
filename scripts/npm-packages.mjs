import { existsSync, readFileSync } from 'node:fs'
import { run } from './child.mjs'

/** @typedef {{ packages: Record<string, { version?: string, integrity?: string, optional?: boolean }> }} Lockfile */

/**
 * Installs what package-lock.json says, unless node_modules holds just that.
 * @param {NodeJS.ProcessEnv} env
 */
export async function installNpmPackages(env) {
  const wanted = readLockfile('package-lock.json')
  if (!wanted) throw new Error('package-lock.json is missing: restore it from git')
  const installed = readLockfile('node_modules/.package-lock.json')
  // The link exists before the program: an installation that was cut off leaves it pointing nowhere.
  if (installed && sameVersions(wanted, installed) && existsSync('node_modules/.bin/node')) return

  const { version } = wanted.packages['node_modules/node'] ?? {}
  console.log(`Installing the npm packages of package-lock.json (npm ci), Node ${version} for the scripts among them …`)
  // Warnings would only repeat that the machine's own Node is older than the one being installed.
  const { code } = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], env)
  if (code !== 0) {
    console.error('npm ci failed: see its message above; it needs the npm registry and about 400 MB of disk.')
    process.exit(1)
  }
}

/**
 * @param {string} file
 * @returns {Lockfile | null}
 */
function readLockfile(file) {
  try {
    return /** @type {Lockfile} */ (JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return null
  }
}

/**
 * @param {Lockfile} wanted
 * @param {Lockfile} installed
 */
function sameVersions(wanted, installed) {
  return Object.entries(wanted.packages).every(([path, { version, integrity, optional }]) => {
    if (!path.includes('node_modules/')) return true
    const found = installed.packages[path]
    // Programs for other platforms stand in the lockfile but are not installed.
    if (!found) return optional === true
    return found.version === version && found.integrity === integrity
  })
}

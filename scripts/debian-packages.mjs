import { accessSync, constants, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './child.mjs'

/**
 * The programs that the tests start by themselves, and the Debian package of each.
 * `alsoIn` names a folder outside PATH where the package puts the program.
 * @typedef {{ program: string, package: string, alsoIn?: string, why: string }} Requirement
 * @type {readonly Requirement[]}
 */
const requirements = [
  { program: 'prometheus', package: 'prometheus', why: 'a test asks it for the metrics of the locks' },
  {
    program: 'redis-server',
    package: 'redis-server',
    why: 'the tests of the Redis store start it, break it and start it again',
  },
  { program: 'openssl', package: 'openssl', why: 'the tests make certificates with it, for servers that speak TLS' },
  {
    program: 'postgres',
    package: 'postgresql-15',
    alsoIn: '/usr/lib/postgresql/15/bin',
    why: 'tests start a server of their own',
  },
  { program: 'pgbouncer', package: 'pgbouncer', alsoIn: '/usr/sbin', why: 'tests put it in front of Postgres' },
]

/** Installs the Debian packages whose programs are missing; ends the process where that cannot be done. */
export async function installDebianPackages(required = requirements) {
  const missing = required.filter((requirement) => !isInstalled(requirement))
  if (missing.length === 0) return
  const packages = missing.map((requirement) => requirement.package)
  for (const { package: name, why } of missing) console.log(`Debian package ${name} is missing: ${why}`)

  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    console.error(`Install as root, then try again:  apt-get install --no-install-recommends ${packages.join(' ')}`)
    process.exit(1)
  }
  console.log(`Installing ${packages.join(', ')} with apt-get; their services are not started …`)
  const code = await withoutServices(() => aptInstall(packages))
  if (code !== 0) {
    console.error(`apt-get could not install ${packages.join(', ')}: see its message above.`)
    process.exit(1)
  }
}

/** @param {Requirement} requirement */
function isInstalled({ program, alsoIn }) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...(alsoIn ? [alsoIn] : [])]
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @param {readonly string[]} packages */
async function aptInstall(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const update = await run('apt-get', ['update', '-qq'], env)
  if (update.code !== 0) return update.code
  const install = await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], env)
  return install.code
}

const policy = '/usr/sbin/policy-rc.d'
const policyBefore = `${policy}.before-holdfast`
const refuseAll = '#!/bin/sh\nexit 101\n'

/**
 * Debian starts a package's service as soon as it is installed, unless this policy file refuses.
 * @param {() => Promise<number>} install
 */
async function withoutServices(install) {
  // Left by a run that was killed, our own file is not the machine's policy.
  const own = existsSync(policy) && readFileSync(policy, 'utf8') === refuseAll
  if (existsSync(policy) && !own) renameSync(policy, policyBefore)
  writeFileSync(policy, refuseAll, { mode: 0o755 })
  try {
    return await install()
  } finally {
    rmSync(policy)
    if (existsSync(policyBefore)) renameSync(policyBefore, policy)
  }
}

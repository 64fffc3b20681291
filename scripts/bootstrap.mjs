// Makes a fresh clone ready, then runs the npm script given as argument. It runs on whatever Node the machine has
// (20 or newer), before anything is installed; the npm script then runs on the Node that package.json pins.
import { delimiter, sep } from 'node:path'
import { endLike, run } from './child.mjs'
import { installDebianPackages } from './debian-packages.mjs'
import { installNpmPackages } from './npm-packages.mjs'

const [target, ...args] = process.argv.slice(2)
if (!target) throw new Error('usage: node scripts/bootstrap.mjs <npm script> [arguments]')

process.chdir(`${import.meta.dirname}/..`)

// npm itself must not run on the Node inside node_modules, which `npm ci` removes and writes anew.
const path = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.split(sep).includes('node_modules'))
const env = { ...process.env, PATH: path.join(delimiter) }

await installDebianPackages()
await installNpmPackages(env)
// A shell remembers where it found `node`: only a new `npm run` is sure to find the one just installed.
endLike(await run('npm', ['run', target, ...(args.length > 0 ? ['--', ...args] : [])], env))

// Measures how long `holdfast ls` takes on the embedded store: `npm run build && node scripts/cli-startup.mjs`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const RUNS = 30
const main = join(import.meta.dirname, '../dist/cli/main.js')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-startup-'))
const env = { ...process.env, HOLDFAST_STORE: `sqlite:${join(folder, 'locks.db')}`, XDG_CACHE_HOME: folder }

try {
  const bare = ['-e', '0']
  const ls = [main, 'ls']
  // Once without counting: the file and the compiled code are there afterwards, as they are in use.
  timeOf(bare)
  timeOf(ls)
  // In turn, so that whatever else this machine does falls on both.
  const times = Array.from({ length: RUNS }, () => ({ bare: timeOf(bare), ls: timeOf(ls) }))
  const node = median(times.map((each) => each.bare))
  const limit = 1.5 * node + 60
  console.log(`node -e 0: ${node.toFixed(0)} ms`)
  console.log(`holdfast ls: ${median(times.map((each) => each.ls)).toFixed(0)} ms (limit ${limit.toFixed(0)} ms)`)
} finally {
  rmSync(folder, { recursive: true })
}

/** @param {readonly string[]} args */
function timeOf(args) {
  const startedMs = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`)
  return performance.now() - startedMs
}

/** @param {readonly number[]} values */
function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

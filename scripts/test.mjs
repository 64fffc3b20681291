// Builds, runs every test with coverage and closes with the tally, alone on the last line.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './child.mjs'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-tally-'))
const file = join(folder, 'tally.json')
try {
  const { passed, failed } = await tally()
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}

async function tally() {
  const build = await run(process.execPath, ['scripts/build.mjs'])
  if (build.code !== 0) return failure('The build failed, so no test ran.')

  const args = ['run', '--coverage', '--allowOnly=false', ...process.argv.slice(2)]
  const vitest = await run('vitest', args, { ...process.env, HOLDFAST_TALLY: file })
  const counts = readTally()
  if (!counts) return failure('Vitest ended before it could report on the tests.')
  if (counts.passed + counts.failed === 0) return failure('Vitest found no test to run.')
  if (vitest.code !== 0 && counts.failed === 0) {
    console.error(`Vitest failed (${vitest.signal ?? vitest.code}) although every test passed: see its message above.`)
    return { ...counts, failed: 1 }
  }
  return counts
}

/** @param {string} message */
function failure(message) {
  console.error(message)
  return { passed: 0, failed: 1 }
}

function readTally() {
  try {
    return /** @type {{ passed: number, failed: number }} */ (JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return null
  }
}

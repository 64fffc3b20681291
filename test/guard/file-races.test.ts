import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/processes.ts'

const run = promisify(execFile)
const PROGRAM = join(import.meta.dirname, 'race-program.ts')

describe('writers whose steps come in any order', () => {
  test('lose no update and let nobody in too late', { timeout: 300_000 }, async () => {
    const seeds = Array.from({ length: 4 }, (_, at) => 1 + at * 100)
    for (const seed of seeds) {
      const { stdout } = await run(process.execPath, [PROGRAM, temporaryFolder(), String(seed), '100'])
      const { wrong, written, refused } = JSON.parse(stdout) as { wrong: unknown[]; written: number; refused: number }
      expect(wrong).toEqual([])
      // The orders are of both kinds, or they would show nothing.
      expect(Math.min(written, refused)).toBeGreaterThan(50)
    }
  })
})

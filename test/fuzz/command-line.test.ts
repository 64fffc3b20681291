import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { EXIT_MEANINGS } from '../../src/cli/exit-codes.ts'
import { CliWorkshop } from '../support/cli-workshop.ts'
import { awkwardText, runs } from './material.ts'

const workshop = new CliWorkshop()
afterAll(() => workshop[Symbol.asyncDispose]())

const COMMANDS = [
  'acquire',
  'release',
  'extend',
  'ls',
  'show',
  'stale',
  'status',
  'unlock',
  'doctor',
  'help',
  'completion',
]
const OPTIONS = [
  '--json',
  '--wait',
  '--no-wait',
  '--timeout',
  '--agent',
  '--reason',
  '--namespace',
  '--shared',
  '--help',
  '--',
]
const VALUES = ['file:a', 'a', '30s', '0', '-1', 'forever', 'file:src/**', 'x'.repeat(2000)]

/** What a shell can pass on: no NUL, and nothing that is not well-formed. */
const word = fc.oneof(
  { arbitrary: fc.constantFrom(...OPTIONS, ...VALUES), weight: 5 },
  { arbitrary: awkwardText().map((text) => text.toWellFormed().replaceAll('\0', '')), weight: 1 },
)

const line = fc.tuple(fc.oneof(fc.constantFrom(...COMMANDS), word), fc.array(word, { maxLength: 5 }))

describe('a command line of anything', () => {
  test('ends with a code that has a meaning, and says what is wrong in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(line, async ([command, words]) => {
        const { code, stderr } = await workshop.run([command, ...words, '--wait=10ms', '--timeout=200ms'].slice(0, 8))
        expect(EXIT_MEANINGS.map(([meaning]) => meaning as number | null)).toContain(code)
        if (code === 64) expect(stderr).toMatch(/\w{3}/u)
        expect(stderr).not.toMatch(/^\s+at .+:\d+:\d+\)?$/mu)
      }),
      { numRuns: runs(0.6), interruptAfterTimeLimit: 120_000 },
    )
  })
})

import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseFile } from '../support/imports.ts'
import { linksOf } from '../support/markdown.ts'
import { end, examples, folder, start } from './example.ts'

/** The tasks that the Python original had an example for, and ours. */
const vocabulary: readonly (readonly [task: string, example: string])[] = [
  ['basic acquire', 'basic-acquire.ts'],
  ['checking status', 'check-status.ts'],
  ['safe file modification', 'safe-file-modification.ts'],
  ['several resources, ordered by hand', 'several-in-order.ts'],
  ['several resources, atomically', 'several-at-once.ts'],
  ['retry with exponential backoff', 'retry-with-backoff.ts'],
  ['non-blocking check', 'non-blocking-check.ts'],
  ['long operation with automatic extension', 'automatic-extension.ts'],
  ['read/write locks', 'read-write-locks.ts'],
  ['the optimistic alternative', 'optimistic-update.ts'],
  ['handling contention by owner', 'contention-by-owner.ts'],
  ['handling expiry during an operation', 'expiry-during-operation.ts'],
  ['force-unlocking stale locks', 'force-unlock-stale.ts'],
  ['short locks with checkpoints', 'short-locks-with-checkpoints.ts'],
  ['periodic admin cleanup', 'periodic-cleanup.ts'],
  ['metrics', 'metrics.ts'],
]

const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8')

describe('the examples', () => {
  test.each(vocabulary)('have one for: %s', (_, example) => {
    expect(examples).toContain(example)
  })

  test('are listed in their README, each once, and nothing else is', () => {
    const listed = linksOf(textOf('README.md')).map(({ target }) => target)
    expect(listed.filter((target) => /^[^/]+\.ts$/.test(target)).toSorted()).toEqual(examples)
  })

  test('have what they print beside them, and nothing is left over', () => {
    const expected = globSync('*.txt', { cwd: folder }).toSorted()
    expect(expected).toEqual(examples.map(expectedOf))
    expect(expected.filter((name) => textOf(name).trim() === '')).toEqual([])
  })

  test('import only the package and Node itself, and prom-client where it is about metrics', () => {
    const imports = examples.flatMap((name) => parseFile(name, textOf(name)).imports.map(({ from }) => [name, from]))
    const others = imports.filter(([, from]) => from !== 'holdfast' && from?.startsWith('node:') !== true)
    expect(others).toEqual([['metrics.ts', 'prom-client']])
  })

  test('are short', () => {
    const lines = examples.map((name) => [name, textOf(name).trimEnd().split('\n').length] as const)
    expect(lines.filter(([, count]) => count < 20 || count > 60)).toEqual([])
  })

  test('begin with what they are about', () => {
    expect(examples.filter((name) => !textOf(name).startsWith('// '))).toEqual([])
  })
})

describe.concurrent('each example runs, prints what stands beside it, and leaves nothing behind:', () => {
  test.each(examples)('%s', { timeout: 60_000 }, async (name) => {
    const home = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
    try {
      const example = start(name, home)
      expect(await end(example)).toEqual({ code: 0, complaints: '' })
      expect(withoutPort(example.output)).toBe(await readFile(join(folder, expectedOf(name)), 'utf8'))
      expect(await readdir(home)).toEqual([])
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  })
})

function expectedOf(example: string): string {
  return example.replace(/\.ts$/, '.txt')
}

/** Whoever serves takes a port that is free. */
function withoutPort(output: string): string {
  return output.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, 'PORT')
}

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../support/repository.ts'
import { mutants } from './mutants.ts'
import { mutated } from './workshop.ts'

describe('the list of mutants', () => {
  test('is long enough, and names each once', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(25)
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  })

  test.each(mutants)('$name still has its place in the sources, and tests that are there', (mutant) => {
    const text = readFileSync(join(root, 'src', mutant.file), 'utf8')
    expect(mutated(text, mutant)).not.toBe(text)
    expect(mutant.suites.filter((suite) => !existsSync(join(root, suite)))).toEqual([])
  })
})

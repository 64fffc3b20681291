import { globSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createVitest } from 'vitest/node'
import { contractCaseNames } from '../../src/testing/index.ts'
import { root } from '../support/repository.ts'
import { contractStores } from './stores.ts'

/** What Vitest finds to run for each way of running the contract: `topic > case`, in order, without what is skipped. */
async function collectCases(): Promise<ReadonlyMap<string, readonly string[]>> {
  const vitest = await createVitest('test', { root, watch: false, reporters: [], coverage: { enabled: false } })
  try {
    const files = Object.keys(contractStores).map((name) => join(root, 'test/contract', `${name}.test.ts`))
    const { testModules } = await vitest.collect(files, { staticParse: false })
    const found = testModules.map((module) => {
      const tests = [...module.children.allTests()].filter(({ options }) => options.mode === 'run')
      return [basename(module.moduleId, '.test.ts'), tests.map(({ fullName }) => withoutStore(fullName))] as const
    })
    return new Map(found)
  } finally {
    await vitest.close()
  }
}

function withoutStore(fullName: string): string {
  return fullName.slice(fullName.indexOf(' > ') + ' > '.length)
}

describe('the matrix of stores and cases', () => {
  test('has a row for every store that there is', () => {
    const stores = globSync('src/stores/*/index.ts', { cwd: root }).map((path) => basename(dirname(path)))
    expect(Object.keys(contractStores)).toEqual(expect.arrayContaining(stores))
    expect(stores.length).toBeGreaterThanOrEqual(2)
  })

  test('names every case once', () => {
    expect(new Set(contractCaseNames).size).toBe(contractCaseNames.length)
    expect(contractCaseNames.length).toBeGreaterThan(250)
  })

  test('misses and skips no combination', { timeout: 60_000 }, async () => {
    const found = await collectCases()
    for (const name of Object.keys(contractStores))
      expect(found.get(name), `the store ${name}`).toEqual(contractCaseNames)
  })
})

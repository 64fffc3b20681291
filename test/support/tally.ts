import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'

/**
 * Counts the tests for the closing line of `npm test` (see scripts/test.mjs) and fails the run over a skipped one:
 * a test that does not run protects nothing, and a green run must not hide it.
 */
export default class Tally implements Reporter {
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const passed = tests.filter((test) => test.result().state === 'passed').length
    const failed = tests.filter((test) => test.result().state === 'failed').length
    const notRun = this.#selectsByName() ? [] : tests.filter(isNotRun)
    const outsideTests = modules.flatMap(errorsOutsideTests).length + unhandledErrors.length

    if (notRun.length > 0) {
      console.error('\nSkipped tests are not allowed. These did not run, and count as failed:')
      for (const test of notRun) console.error(`  ${test.module.relativeModuleId} > ${test.fullName}`)
      process.exitCode = 1
    }
    const file = process.env['HOLDFAST_TALLY']
    if (file) writeFileSync(file, JSON.stringify({ passed, failed: failed + notRun.length + outsideTests }))
  }

  /** `vitest -t name` marks every other test as skipped. */
  #selectsByName(): boolean {
    return this.#vitest?.config.testNamePattern !== undefined
  }
}

function isNotRun(test: TestCase): boolean {
  const { state } = test.result()
  return state === 'skipped' || state === 'pending'
}

function errorsOutsideTests(module: TestModule): readonly unknown[] {
  return [...module.errors(), ...[...module.children.allSuites()].flatMap((suite) => suite.errors())]
}

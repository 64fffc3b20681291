import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Most of the time of most tests is waiting: for leases to end, for servers to come back.
    maxWorkers: 4,
    // Node's own reading of CommonJS packages: with Vitest's, code that fails from dist would pass here.
    deps: { interopDefault: false },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['default', './test/support/tally.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json', 'lcov'],
      reportsDirectory: 'coverage',
    },
  },
})

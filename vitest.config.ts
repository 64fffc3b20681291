import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // More than the cores of a small machine: most of the time of most tests is waiting, for leases and for servers.
    maxWorkers: 3,
    // Node's own reading of CommonJS packages: with Vitest's, code that fails from dist would pass here.
    deps: { interopDefault: false },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/support/tally.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json', 'lcov'],
      reportsDirectory: 'coverage',
    },
  },
})

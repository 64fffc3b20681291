import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
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

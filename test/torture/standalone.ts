/**
 * Loaded before `main.ts`: the servers of the tests register with Vitest what is to be done after a file of tests.
 * Here there is no Vitest, and the run itself stops what it has started.
 */
import { registerHooks } from 'node:module'

const VITEST = new URL('without-vitest.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vitest'
      ? { url: VITEST, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
})

/** Vitest and fast-check, for those parts of the suite that are not the history checker. */
import type FastCheck from 'fast-check'
import type * as Vitest from 'vitest'
import { InvalidRequestError } from '../core/errors.ts'

const vitest = await import('vitest').catch((error: unknown) => explain('vitest', error))
const fastCheck = await import('fast-check').catch((error: unknown) => explain('fast-check', error))

export const describe: typeof Vitest.describe = vitest.describe
export const expect: typeof Vitest.expect = vitest.expect
export const test: typeof Vitest.test = vitest.test
export const vi: typeof Vitest.vi = vitest.vi
export const fc: typeof FastCheck = fastCheck.default

/** Whoever uses locks has no need of either, so neither is installed with Holdfast. */
function explain(name: string, cause: unknown): never {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
  if (code !== 'ERR_MODULE_NOT_FOUND' || !String(message).includes(`'${name}'`)) throw cause
  throw new InvalidRequestError(
    `holdfast/testing needs the package ${name}, which is not installed: run npm install --save-dev vitest fast-check. The history checker needs neither: import it from holdfast/testing/history.`,
    { cause },
  )
}

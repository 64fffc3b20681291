import { isResourceLockError } from '../core/errors.ts'
import { EXIT } from './exit-codes.ts'

/** Ends the command with a sentence on stderr and an exit code. */
export class Failure extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.other, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** The command line, a setting or a value is wrong; the message names it and the rule. */
export class UsageError extends Failure {
  constructor(message: string, options?: ErrorOptions) {
    super(message, EXIT.usage, options)
  }
}

const BY_CODE: Readonly<Record<string, number>> = {
  BUSY: EXIT.notAcquired,
  WAIT_TIMEOUT: EXIT.notAcquired,
  DEADLOCK: EXIT.notAcquired,
  LOST: EXIT.lost,
  UNAVAILABLE: EXIT.unavailable,
  INVALID: EXIT.usage,
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode
  return isResourceLockError(error) ? (BY_CODE[error.code] ?? EXIT.other) : EXIT.other
}

/** Says what went wrong, in one sentence; with HOLDFAST_DEBUG=1 also where. */
export function report(error: unknown, env: NodeJS.ProcessEnv = process.env): void {
  if (env['HOLDFAST_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  else process.stderr.write(`holdfast: ${messageOf(error)}\n`)
}

/** The library's messages advise with its own options; here they are flags. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (!isResourceLockError(error)) return text
  return text
    .replaceAll('(waitTimeout)', '(--wait)')
    .replace(/^agentId\b/, '--agent')
    .replace(/^namespace:/, '--namespace:')
}

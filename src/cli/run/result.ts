import { isResourceLockError, type LockLostError } from '../../core/errors.ts'
import { EXIT } from '../exit-codes.ts'
import { exitCodeOf, UsageError } from '../failure.ts'
import type { RunOptions } from '../options.ts'
import type { CommandEnd } from './command.ts'
import { exitCodeOfSignal, Interruption } from './signals.ts'
import type { Outcome, Status } from './status.ts'

/** How a run ended. */
export type Result = Pick<Status, 'outcome' | 'exitCode' | 'signal' | 'loss'> & {
  /** What there is to say about it on stderr. */
  readonly error?: unknown
}

/** As shells and env(1) say it. */
const NOT_EXECUTABLE = 126
const NOT_FOUND = 127

/** The command's own end, handed on as it is. */
export function resultOfEnd(end: CommandEnd, program: string): Result {
  if (end.type === 'exited') return { outcome: 'exited', exitCode: end.code }
  if (end.type === 'signaled') {
    return { outcome: 'signaled', exitCode: exitCodeOfSignal(end.signal), signal: end.signal }
  }
  const isMissing = end.type === 'not-found'
  const why = isMissing ? 'there is no such program' : end.error.message
  const error = new Error(`'${program}' cannot be run: ${why}.`, { cause: end.error })
  return { outcome: end.type, exitCode: isMissing ? NOT_FOUND : NOT_EXECUTABLE, error }
}

export function resultOfLoss(error: LockLostError): Result {
  return { outcome: 'lost', exitCode: EXIT.lost, loss: error.loss, error }
}

/** Why the command was not run. */
export function resultOfError(error: unknown, { skip, conflictExitCode = EXIT.notAcquired }: RunOptions): Result {
  if (error instanceof Interruption) {
    // Nothing to say: whoever sent it knows.
    return { outcome: 'interrupted', exitCode: error.exitCode, signal: error.signal }
  }
  if (isResourceLockError(error, 'LOST')) return resultOfLoss(error)
  if (isResourceLockError(error, 'BUSY') && skip === true) return { outcome: 'skipped', exitCode: EXIT.ok }
  const outcome = outcomeOf(error)
  const isConflict = outcome === 'busy' || outcome === 'timeout' || outcome === 'deadlock'
  return { outcome, exitCode: isConflict ? conflictExitCode : exitCodeOf(error), error }
}

const BY_CODE: Readonly<Record<string, Outcome>> = {
  BUSY: 'busy',
  WAIT_TIMEOUT: 'timeout',
  DEADLOCK: 'deadlock',
  UNAVAILABLE: 'unreachable',
  INVALID: 'usage',
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof UsageError) return 'usage'
  return isResourceLockError(error) ? (BY_CODE[error.code] ?? 'failed') : 'failed'
}

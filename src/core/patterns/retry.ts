import { type ErrorCode, isResourceLockError } from '../errors.ts'
import { checkCount, checkOptions } from '../options.ts'
import { type Backoff, exponential } from '../time/backoff.ts'
import { sleep } from '../time/sleep.ts'

export interface RetryOptions {
  /** How often to try at most, the first time included. Default 5. */
  readonly attempts?: number
  /** How long to wait between attempts. Default `exponential()`. */
  readonly backoff?: Backoff
  /** Stops before the next attempt and during a wait; an attempt under way is left to itself. */
  readonly signal?: AbortSignal
}

// What may well be over when the next attempt starts. After LOST, by contrast, work has been done that must be checked.
const PASSING: readonly ErrorCode[] = ['BUSY', 'WAIT_TIMEOUT', 'DEADLOCK', 'UNAVAILABLE']

/**
 * Calls `fn` until it succeeds, as long as it fails with BUSY, WAIT_TIMEOUT, DEADLOCK or UNAVAILABLE.
 * Any other error, LOST and those of your own code among them, is rethrown at once.
 *
 * Where `fn` runs `withLock`, a nested lock that was busy runs the whole of it again: after a DEADLOCK that is the
 * way out, so keep what `fn` does before its last lock repeatable.
 *
 * @param fn is given the number of the attempt, from 1
 * @throws the last attempt's error; the signal's own reason where it was aborted
 */
export async function retry<T>(fn: (attempt: number) => Promise<T> | T, options: RetryOptions = {}): Promise<T> {
  checkOptions(options, ['attempts', 'backoff', 'signal'], 'retry')
  const { backoff = exponential(), signal } = options
  const attempts = checkCount(options.attempts ?? 5, 'attempts')
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await fn(attempt)
    } catch (error) {
      if (attempt === attempts || !isPassing(error)) throw error
    }
    await sleep(backoff.delayMs(attempt), signal)
  }
}

function isPassing(error: unknown): boolean {
  return PASSING.some((code) => isResourceLockError(error, code))
}

import { LockBusyError } from '../errors.ts'
import { checkCount, checkOptions } from '../options.ts'
import { type Backoff, exponential } from '../time/backoff.ts'
import { sleep } from '../time/sleep.ts'

/**
 * Something that can be read with its version and replaced on condition that the version still stands.
 * `Written` is what may be written, where that differs from what may be read (a file that does not exist yet).
 */
export interface OptimisticTarget<Value, Version = unknown, Written = Value> {
  read(): Promise<{ readonly value: Value; readonly version: Version }>
  /** Compares and writes as one step, as far as the target can. @returns whether it wrote */
  writeIf(version: Version, value: Written): Promise<boolean>
}

export interface OptimisticOptions {
  /** How often to try at most, the first time included. Default 10. */
  readonly attempts?: number
  /** How long to wait between attempts. Default `exponential({ base: '10ms', max: '1s' })`. */
  readonly backoff?: Backoff
  /** Stops before the next attempt and during a wait; an attempt under way is left to itself. */
  readonly signal?: AbortSignal
}

/**
 * Reads, changes and writes back without a lock, and starts over where somebody else wrote in between.
 * Right where conflicts are rare and the change is quick to repeat; otherwise take a lock.
 *
 * @param fn makes the new value from the one read; it may run several times, so it must have no other effect
 * @returns the value that was written
 * @throws LockBusyError (BUSY) after the last attempt. It is the code that fits: others were there first each time,
 *   nobody stood in line (so it is no WAIT_TIMEOUT), nothing was written, and trying again later is right, which is
 *   what `retry` does with it.
 * @throws what the target and `fn` throw, and the signal's own reason where it was aborted
 */
export async function optimisticUpdate<Value, Version, Written = Value>(
  target: OptimisticTarget<Value, Version, Written>,
  fn: (value: Value) => Promise<Written> | Written,
  options: OptimisticOptions = {},
): Promise<Written> {
  checkOptions(options, ['attempts', 'backoff', 'signal'], 'optimisticUpdate')
  const { backoff = exponential({ base: '10ms', max: '1s' }), signal } = options
  const attempts = checkCount(options.attempts ?? 10, 'attempts')
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const { value, version } = await target.read()
    const changed = await fn(value)
    if (await target.writeIf(version, changed)) return changed
    if (attempt === attempts) throw new LockBusyError(tooManyConflicts(attempts))
    await sleep(backoff.delayMs(attempt), signal)
  }
}

function tooManyConflicts(attempts: number): string {
  const times = attempts === 1 ? 'its only attempt' : `each of ${attempts} attempts`
  return `The update was not written: somebody else wrote in between at ${times}. Try again later, or do it under a lock.`
}

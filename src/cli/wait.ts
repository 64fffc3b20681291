import { type AcquireOptions, WAIT_LIMITS } from '../core/lock/request.ts'
import { parseDuration } from '../core/time/duration.ts'

/**
 * What `--wait` and `--no-wait` (`false`) say, in milliseconds: 0 is not at all, `Infinity` is for ever. Default: 10 s.
 *
 * @throws InvalidRequestError that names the flag and the rule
 */
export function readWait(wait: string | false = '10s'): number {
  return wait === false || wait === '0' ? 0 : parseDuration(wait, '--wait', WAIT_LIMITS)
}

/** The same, as the option of `acquire`. */
export function waitTimeoutOf(waitMs: number): NonNullable<AcquireOptions['waitTimeout']> {
  if (waitMs === 0) return 0
  return waitMs === Infinity ? 'forever' : `${waitMs}ms`
}

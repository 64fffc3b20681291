import { FencedOutError, InvalidRequestError } from '../core/errors.ts'
import type { Claim, Mode } from '../core/model.ts'
import { show } from '../core/show.ts'

/**
 * What a guard needs of a lock; every `Lock` is one. Where only the number has arrived (in a header, in the environment
 * of a child process), `{ fencingToken }` is enough.
 */
export interface Fenced {
  /** A whole number from 1 to `Number.MAX_SAFE_INTEGER`. */
  readonly fencingToken: number
  /** Only exclusive locks can be guarded. Default: taken for exclusive. */
  readonly mode?: Mode
  /** What is locked, for errors. Default: none. */
  readonly resources?: readonly Claim[]
}

/** @throws InvalidRequestError if the lock is shared, or what it has is no fencing token */
export function tokenOf(lock: Fenced): number {
  if (lock.mode === 'shared') {
    throw new InvalidRequestError(
      'A shared lock cannot guard a write: others hold it too, and each token would fence out the one below. ' +
        `Lock it with mode 'exclusive'.`,
    )
  }
  return checkToken(lock.fencingToken)
}

/** @throws InvalidRequestError if the value cannot be a fencing token */
function checkToken(token: unknown): number {
  if (typeof token === 'number' && Number.isSafeInteger(token) && token >= 1) return token
  throw new InvalidRequestError(`${show(token)} is not a fencing token: hand over the lock itself.`)
}

/**
 * The highest token to set a guard back to; 0 makes it forget all.
 *
 * @throws InvalidRequestError if the value is neither 0 nor a token
 */
export function checkResetTo(to: unknown): number {
  return to === 0 ? 0 : checkToken(to)
}

/**
 * What a guard refuses with.
 *
 * @param what the guarded thing, as it stands in a message
 * @param highest the highest token that the guard knows
 */
export function fencedOut(what: string, lock: Fenced, highest: number): FencedOutError {
  const why =
    highest > lock.fencingToken
      ? `a later holder has been there, with fencing token ${highest}, and this lock has ${lock.fencingToken}`
      : `its guard no longer knows this update, of fencing token ${lock.fencingToken}: it was reset, or lost its data`
  const message = `${what} is closed to this lock: ${why}. Nothing was written. Lock it again and read it anew.`
  return new FencedOutError(message, { resources: lock.resources ?? [] })
}

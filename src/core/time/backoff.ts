import { InvalidRequestError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import { show } from '../show.ts'
import { type Duration, parseDuration } from './duration.ts'

/** How long to wait before each new attempt: an immutable value that may be shared. */
export interface Backoff {
  /**
   * Milliseconds to wait after the given number of failed attempts, counted from 1.
   *
   * @param random a number from 0 up to but not including 1. Default: `Math.random`.
   */
  delayMs(attempt: number, random?: () => number): number
}

export interface ExponentialOptions {
  /** The wait after the first failure; it doubles with each further one. Default `'100ms'`. */
  readonly base?: Duration
  /** The longest wait. Default `'10s'`. */
  readonly max?: Duration
  /**
   * The share of each wait that is left to chance, so that those who failed together do not come back together:
   * `'full'` (all of it, as in "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), `'none'`,
   * or a number from 0 to 1. Default `'full'`.
   */
  readonly jitter?: 'full' | 'none' | number
}

const LIMITS = { minMs: 1, maxMs: 86_400_000 } as const

/**
 * Waits that double from `base` up to `max`.
 *
 * @throws InvalidRequestError if an option is out of its range.
 */
export function exponential(options: ExponentialOptions = {}): Backoff {
  checkOptions(options, ['base', 'max', 'jitter'], 'exponential')
  const { base = '100ms', max = '10s', jitter = 'full' } = options
  const baseMs = parseDuration(base, 'base', LIMITS)
  const maxMs = parseDuration(max, 'max', LIMITS)
  const share = shareOfChance(jitter)
  if (maxMs < baseMs) throw new InvalidRequestError(`max: ${show(max)} is shorter than base, which is ${show(base)}.`)
  return Object.freeze({
    delayMs(attempt: number, random: () => number = Math.random): number {
      const longestMs = Math.min(maxMs, baseMs * 2 ** (attempt - 1))
      return longestMs * (1 - share * random())
    },
  })
}

function shareOfChance(jitter: unknown): number {
  if (jitter === 'full') return 1
  if (jitter === 'none') return 0
  if (typeof jitter === 'number' && jitter >= 0 && jitter <= 1) return jitter
  throw new InvalidRequestError(`jitter: ${show(jitter)} is not allowed: use 'full', 'none' or a number from 0 to 1.`)
}

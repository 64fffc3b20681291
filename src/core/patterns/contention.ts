import { InvalidRequestError, type LockBusyError, type LockTimeoutError, isResourceLockError } from '../errors.ts'
import type { ResourceInput } from '../resource/resource.ts'
import { show } from '../show.ts'
import { type Duration, parseDuration } from '../time/duration.ts'
import { sleep } from '../time/sleep.ts'

/** Anything that locks: a manager, an agent's handle, or an object of your own. */
export interface WithLock<Options, Lock> {
  withLock<T>(
    resource: ResourceInput | readonly ResourceInput[],
    options: Options,
    fn: (lock: Lock) => Promise<T> | T,
  ): Promise<T>
}

/** What a strategy is shown: who holds the resource, and how many wait, stand on it. */
export type ContentionError = LockBusyError | LockTimeoutError

/** The whole of an `onContention` call, to be run later; it resolves with the same result, and may be deferred again. */
export type DeferredTask = () => Promise<unknown>

/** Where deferred work goes: an array will do. `push` is awaited, so that a queue which fails is noticed. */
export interface DeferQueue {
  push(task: DeferredTask): unknown
}

/** What to do about a resource in use: made by {@link retryAfter}, {@link defer} or {@link fail}. */
export type ContentionAnswer =
  | { readonly action: 'retry'; readonly delayMs: number }
  | { readonly action: 'defer'; readonly queue: DeferQueue }
  | { readonly action: 'fail'; readonly alert?: (error: ContentionError) => unknown }

/**
 * Decides about a resource in use. It may be async.
 *
 * @param attempt how often it was tried by now, from 1: a strategy that always answers `retryAfter` never ends
 */
export type ContentionStrategy = (
  error: ContentionError,
  attempt: number,
) => ContentionAnswer | Promise<ContentionAnswer>

/** `done`: the work was done, and this is its value. Otherwise it stands in the strategy's queue and has not begun. */
export type ContentionResult<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly deferred: true }

/**
 * Try again after a while.
 *
 * @param delay from 0 up to `'24h'`
 * @throws InvalidRequestError if it is not such a duration
 */
export function retryAfter(delay: Duration | 0): ContentionAnswer {
  return Object.freeze({
    action: 'retry',
    delayMs: parseDuration(delay, 'retryAfter', { minMs: 0, maxMs: 86_400_000, zero: true }),
  })
}

/** Put the whole call into a queue, for later, and return. */
export function defer(queue: DeferQueue): ContentionAnswer {
  return Object.freeze({ action: 'defer', queue })
}

/**
 * Give up: rethrow the error, after telling somebody.
 *
 * @param alert is awaited; where it fails itself, that is reported as a process warning and the lock's error still counts
 */
export function fail(alert?: (error: ContentionError) => unknown): ContentionAnswer {
  return Object.freeze({ action: 'fail', ...(alert === undefined ? {} : { alert }) })
}

/**
 * Does work under a lock, and lets a strategy decide what happens while the resource is in use.
 *
 * It does not wait for the lock unless the options give a `waitTimeout`. The strategy is asked only about this lock:
 * once `fn` has begun, an error of a nested lock is an error of `fn`.
 *
 * @param locks a manager or an agent's handle
 * @param options of `withLock`; its `signal` also ends a wait between two attempts
 * @returns whether the work was done, with its value, or deferred
 * @throws what `withLock` and `fn` throw, the contention error where the strategy answers {@link fail}, the signal's
 *   reason where it is aborted, and InvalidRequestError where the strategy's answer is none of the three
 */
export async function onContention<
  T,
  Lock,
  Options extends { readonly waitTimeout?: unknown; readonly signal?: AbortSignal },
>(
  locks: WithLock<Options, Lock>,
  resource: ResourceInput | readonly ResourceInput[],
  options: Options,
  fn: (lock: Lock) => Promise<T> | T,
  strategy: ContentionStrategy,
): Promise<ContentionResult<T>> {
  for (let attempt = 1; ; attempt++) {
    const tried = await tryLock(locks, resource, options, fn)
    if ('value' in tried) return { done: true, value: tried.value }
    const answer = await strategy(tried.contention, attempt)
    switch (answer?.action) {
      case 'retry':
        await sleep(answer.delayMs, options.signal)
        break
      case 'defer':
        await answer.queue.push(() => onContention(locks, resource, options, fn, strategy))
        return { done: false, deferred: true }
      case 'fail':
        await raise(tried.contention, answer.alert)
        throw tried.contention
      default:
        throw new InvalidRequestError(
          `The strategy answered ${show(answer)}: it must return retryAfter(…), defer(…) or fail(…).`,
        )
    }
  }
}

async function tryLock<T, Lock, Options extends { readonly waitTimeout?: unknown }>(
  locks: WithLock<Options, Lock>,
  resource: ResourceInput | readonly ResourceInput[],
  options: Options,
  fn: (lock: Lock) => Promise<T> | T,
): Promise<{ readonly value: T } | { readonly contention: ContentionError }> {
  let begun = false
  const begin = (lock: Lock): Promise<T> | T => {
    begun = true
    return fn(lock)
  }
  try {
    return { value: await locks.withLock(resource, { ...options, waitTimeout: options.waitTimeout ?? 0 }, begin) }
  } catch (error) {
    if (!begun && (isResourceLockError(error, 'BUSY') || isResourceLockError(error, 'WAIT_TIMEOUT'))) {
      return { contention: error }
    }
    throw error
  }
}

async function raise(error: ContentionError, alert: ((error: ContentionError) => unknown) | undefined): Promise<void> {
  try {
    await alert?.(error)
  } catch (failure) {
    process.emitWarning(
      `The alert about a lock in use failed: ${show(failure instanceof Error ? failure.message : failure)}`,
      {
        type: 'HoldfastWarning',
        code: 'HOLDFAST_ALERT',
      },
    )
  }
}

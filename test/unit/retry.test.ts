import { describe, expect, test } from 'vitest'
import { type ErrorCode, LockBusyError, LockLostError, ResourceLockError } from '../../src/core/errors.ts'
import { retry, type RetryOptions } from '../../src/core/patterns/retry.ts'
import { type Backoff, exponential } from '../../src/core/time/backoff.ts'

const atOnce: Backoff = { delayMs: () => 0 }
const withCode = (code: ErrorCode): ResourceLockError => new ResourceLockError('m', { code })

/** Fails with each error in turn, then succeeds. */
function failing(...errors: unknown[]): { fn: (attempt: number) => Promise<string>; attempts: number[] } {
  const attempts: number[] = []
  const fn = async (attempt: number): Promise<string> => {
    attempts.push(attempt)
    if (errors.length > 0) throw errors.shift()
    return 'done'
  }
  return { fn, attempts }
}

describe('retry', () => {
  test.each(['BUSY', 'WAIT_TIMEOUT', 'DEADLOCK', 'UNAVAILABLE'] as const)('tries again after %s', async (code) => {
    const { fn, attempts } = failing(withCode(code), withCode(code))
    await expect(retry(fn, { backoff: atOnce })).resolves.toBe('done')
    expect(attempts).toEqual([1, 2, 3])
  })

  test.each<[string, unknown]>([
    ['LOST', new LockLostError('m', { loss: { kind: 'expired' } })],
    ['NOT_HELD', withCode('NOT_HELD')],
    ['FENCED_OUT', withCode('FENCED_OUT')],
    ['INVALID', withCode('INVALID')],
    ['CLOSED', withCode('CLOSED')],
    ["a user's own code", new ResourceLockError('m', { code: 'QUOTA' })],
    ['an error of the callback', new TypeError('mine')],
    ['something that is no error', 'mine'],
  ])('does not try again after %s', async (_what, error) => {
    const { fn, attempts } = failing(error)
    await expect(retry(fn, { backoff: atOnce })).rejects.toBe(error)
    expect(attempts).toEqual([1])
  })

  test('rethrows the last error after five attempts, or as many as asked for', async () => {
    const errors = Array.from({ length: 5 }, (_, index) => new LockBusyError(`${index}`))
    const five = failing(...errors)
    await expect(retry(five.fn, { backoff: atOnce })).rejects.toBe(errors[4])
    expect(five.attempts).toEqual([1, 2, 3, 4, 5])
    const one = failing(...errors)
    await expect(retry(one.fn, { attempts: 1, backoff: atOnce })).rejects.toBe(errors[0])
  })

  test('waits between attempts as the backoff says', async () => {
    const asked: number[] = []
    const backoff: Backoff = { delayMs: (attempt) => (asked.push(attempt), 0) }
    await retry(failing(withCode('BUSY'), withCode('BUSY')).fn, { backoff })
    expect(asked).toEqual([1, 2])
  })

  test('takes a function that is not async, and one that throws at once', async () => {
    await expect(retry(() => 7)).resolves.toBe(7)
    await expect(
      retry(() => {
        throw new TypeError('mine')
      }),
    ).rejects.toThrow('mine')
  })

  test('stops with the reason of its signal, before an attempt and during a wait', async () => {
    const before = failing()
    await expect(retry(before.fn, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
    expect(before.attempts).toEqual([])

    const controller = new AbortController()
    const backoff: Backoff = { delayMs: () => (queueMicrotask(() => controller.abort('enough')), 3_600_000) }
    const during = failing(withCode('BUSY'))
    await expect(retry(during.fn, { signal: controller.signal, backoff })).rejects.toBe('enough')
    expect(during.attempts).toEqual([1])
  })

  test.each<[string, unknown]>([
    ['attempts', { attempts: 0 }],
    ['attempts', { attempts: 2.5 }],
    ["'attemps' is not an option", { attemps: 3 }],
  ])('refuses a wrong option, and calls nothing: %s', async (why, options) => {
    const { fn, attempts } = failing()
    await expect(retry(fn, options as RetryOptions)).rejects.toThrow(why)
    expect(attempts).toEqual([])
  })

  test('takes an exponential backoff', async () => {
    const backoff = exponential({ base: '1ms', max: '2ms' })
    await expect(retry(failing(withCode('BUSY')).fn, { backoff })).resolves.toBe('done')
  })
})

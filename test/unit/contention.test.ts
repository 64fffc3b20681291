import { describe, expect, expectTypeOf, test, vi } from 'vitest'
import { LockBusyError, LockTimeoutError, NotHeldError } from '../../src/core/errors.ts'
import {
  type ContentionAnswer,
  type ContentionError,
  type ContentionResult,
  defer,
  type DeferredTask,
  fail,
  onContention,
  retryAfter,
} from '../../src/core/patterns/contention.ts'
import type { ResourceInput } from '../../src/core/resource/resource.ts'

interface Options {
  readonly agentId: string
  readonly waitTimeout?: `${number}s` | 0
  readonly signal?: AbortSignal
}

/** Locks that are in use for as many attempts as there are errors; it notes the options of each. */
class Locks {
  readonly seen: Options[] = []
  readonly #errors: unknown[]

  constructor(...errors: unknown[]) {
    this.#errors = errors
  }

  async withLock<T>(
    _resource: ResourceInput | readonly ResourceInput[],
    options: Options,
    fn: (lock: { readonly fencingToken: number }) => Promise<T> | T,
  ): Promise<T> {
    this.seen.push(options)
    if (this.#errors.length > 0) throw this.#errors.shift()
    return fn({ fencingToken: 7 })
  }
}

const options: Options = { agentId: 'a' }
const never = (): never => {
  throw new Error('the strategy was asked')
}

describe('work under a lock in use', () => {
  test('is done at once where the lock is free', async () => {
    const locks = new Locks()
    const result = await onContention(locks, 'x:a', options, (lock) => lock.fencingToken, never)
    expectTypeOf(result).toEqualTypeOf<ContentionResult<number>>()
    expect(result).toEqual({ done: true, value: 7 })
  })

  test('does not wait for the lock unless the options say so', async () => {
    const locks = new Locks()
    await onContention(locks, 'x:a', options, () => 1, never)
    await onContention(locks, 'x:a', { ...options, waitTimeout: '3s' }, () => 1, never)
    expect(locks.seen.map(({ waitTimeout }) => waitTimeout)).toEqual([0, '3s'])
  })

  test('is tried again when the strategy says so, which sees each error and the number of the attempt', async () => {
    const errors = [new LockBusyError('1', { ahead: 3 }), new LockTimeoutError('2')]
    const locks = new Locks(...errors)
    const seen: unknown[] = []
    const result = await onContention(
      locks,
      'x:a',
      options,
      () => 'value',
      async (error, attempt) => {
        expectTypeOf(error).toEqualTypeOf<ContentionError>()
        seen.push([error, attempt])
        return retryAfter(0)
      },
    )
    expect(result).toEqual({ done: true, value: 'value' })
    expect(seen).toEqual([
      [errors[0], 1],
      [errors[1], 2],
    ])
  })

  test('is not tried again once its signal is aborted', async () => {
    const controller = new AbortController()
    const locks = new Locks(new LockBusyError('1'))
    const result = onContention(
      locks,
      'x:a',
      { ...options, signal: controller.signal },
      () => 1,
      () => {
        queueMicrotask(() => controller.abort('enough'))
        return retryAfter('1h')
      },
    )
    await expect(result).rejects.toBe('enough')
    expect(locks.seen).toHaveLength(1)
  })

  test('is put into a queue when the strategy says so, as one function that does the whole of it later', async () => {
    const queue: DeferredTask[] = []
    const locks = new Locks(new LockBusyError('1'), new LockBusyError('2'))
    let ran = 0
    const result = await onContention(
      locks,
      'x:a',
      options,
      () => ++ran,
      () => defer(queue),
    )
    expect(result).toEqual({ done: false, deferred: true })
    expect(ran).toBe(0)
    await expect(queue.shift()?.()).resolves.toEqual({ done: false, deferred: true })
    await expect(queue.shift()?.()).resolves.toEqual({ done: true, value: 1 })
    expect(queue).toEqual([])
  })

  test('fails where the queue does', async () => {
    const full = { push: () => Promise.reject(new Error('full')) }
    const result = onContention(
      new Locks(new LockBusyError('1')),
      'x:a',
      options,
      () => 1,
      () => defer(full),
    )
    await expect(result).rejects.toThrow('full')
  })

  test("fails with the lock's error when the strategy says so, after the alert", async () => {
    const error = new LockBusyError('1')
    const alerted: unknown[] = []
    const alert = async (given: ContentionError): Promise<void> => {
      await Promise.resolve()
      alerted.push(given)
    }
    await expect(
      onContention(
        new Locks(error),
        'x:a',
        options,
        () => 1,
        () => fail(alert),
      ),
    ).rejects.toBe(error)
    expect(alerted).toEqual([error])
    await expect(
      onContention(
        new Locks(error),
        'x:a',
        options,
        () => 1,
        () => fail(),
      ),
    ).rejects.toBe(error)
  })

  test("fails with the lock's error even where the alert fails, which is a process warning", async () => {
    const error = new LockBusyError('1')
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const result = onContention(
      new Locks(error),
      'x:a',
      options,
      () => 1,
      () =>
        fail(() => {
          throw new Error('pager is down')
        }),
    )
    await expect(result).rejects.toBe(error)
    expect(warn.mock.calls).toEqual([[expect.stringContaining('pager is down'), expect.anything()]])
    warn.mockRestore()
  })

  test('rethrows every other error without asking the strategy', async () => {
    const error = new NotHeldError('1')
    await expect(onContention(new Locks(error), 'x:a', options, () => 1, never)).rejects.toBe(error)
  })

  test('that meets a nested lock in use fails with that error: the strategy is about the outer one', async () => {
    const nested = new LockBusyError('nested')
    const result = onContention(new Locks(), 'x:a', options, () => Promise.reject(nested), never)
    await expect(result).rejects.toBe(nested)
  })

  test('refuses a strategy that does not answer', async () => {
    const result = onContention(
      new Locks(new LockBusyError('1')),
      'x:a',
      options,
      () => 1,
      () => undefined as unknown as ContentionAnswer,
    )
    await expect(result).rejects.toThrow('it must return retryAfter(…), defer(…) or fail(…)')
  })

  test('refuses to be retried after a bare number', () => {
    expect(() => retryAfter(10 as 0)).toThrow("'10s' or '10ms'")
  })
})

import { describe, expect, test } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import { type OptimisticOptions, type OptimisticTarget, optimisticUpdate } from '../../src/core/patterns/optimistic.ts'
import type { Backoff } from '../../src/core/time/backoff.ts'

const backoff: Backoff = { delayMs: () => 0 }

/** A number in memory; somebody else adds 100 to it before each of the first writes. */
class Counter implements OptimisticTarget<number, number> {
  value = 0
  version = 0
  #intrusions: number

  constructor(intrusions = 0) {
    this.#intrusions = intrusions
  }

  async read(): Promise<{ value: number; version: number }> {
    return { value: this.value, version: this.version }
  }

  async writeIf(version: number, value: number): Promise<boolean> {
    if (this.#intrusions-- > 0) this.#set(this.value + 100)
    if (version !== this.version) return false
    this.#set(value)
    return true
  }

  #set(value: number): void {
    this.value = value
    this.version++
  }
}

describe('an optimistic update', () => {
  test('writes what the function makes of what was read, and returns it', async () => {
    const target = new Counter()
    await expect(optimisticUpdate(target, (value) => value + 1)).resolves.toBe(1)
    expect(target.value).toBe(1)
  })

  test('starts over from a fresh read where somebody else wrote in between', async () => {
    const target = new Counter(3)
    const read: number[] = []
    await expect(optimisticUpdate(target, async (value) => (read.push(value), value + 1), { backoff })).resolves.toBe(
      301,
    )
    expect(read).toEqual([0, 100, 200, 300])
  })

  test('gives up after ten attempts, or as many as asked for, with BUSY', async () => {
    const ten = new Counter(Infinity)
    const error: unknown = await optimisticUpdate(ten, (value) => value + 1, { backoff }).catch((e: unknown) => e)
    expect(isResourceLockError(error, 'BUSY')).toBe(true)
    expect(error).toMatchObject({ message: expect.stringContaining('each of 10 attempts') })
    expect(ten.value).toBe(1_000)
    await expect(optimisticUpdate(new Counter(1), (value) => value, { attempts: 1 })).rejects.toThrow(
      'its only attempt',
    )
  })

  test('loses nothing where many update at once', async () => {
    const target = new Counter()
    const options = { attempts: 1_000, backoff }
    await Promise.all(Array.from({ length: 20 }, () => optimisticUpdate(target, async (value) => value + 1, options)))
    expect(target.value).toBe(20)
  })

  test('fails with what the function throws, and writes nothing', async () => {
    const target = new Counter()
    await expect(optimisticUpdate(target, () => Promise.reject(new TypeError('mine')))).rejects.toThrow('mine')
    expect(target.version).toBe(0)
  })

  test('stops with the reason of its signal', async () => {
    const signal = AbortSignal.abort('enough')
    await expect(optimisticUpdate(new Counter(), (value) => value, { signal })).rejects.toBe('enough')
  })

  test('refuses a wrong option', async () => {
    const wrong = { attempt: 3 } as OptimisticOptions
    await expect(optimisticUpdate(new Counter(), (value) => value, wrong)).rejects.toThrow("'attempt' is not an option")
  })
})

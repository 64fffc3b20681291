import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exponential, type ExponentialOptions } from '../../src/core/time/backoff.ts'

describe('an exponential backoff', () => {
  test('doubles from its base up to its maximum', () => {
    const backoff = exponential({ base: '100ms', max: '1s', jitter: 'none' })
    expect([1, 2, 3, 4, 5, 6, 5_000].map((attempt) => backoff.delayMs(attempt))).toEqual([
      100, 200, 400, 800, 1_000, 1_000, 1_000,
    ])
  })

  test('leaves the whole wait to chance unless told otherwise', () => {
    const backoff = exponential()
    expect(backoff.delayMs(1, () => 0)).toBe(100)
    expect(backoff.delayMs(1, () => 0.75)).toBe(25)
    expect(backoff.delayMs(20, () => 0)).toBe(10_000)
  })

  test('leaves the given share to chance', () => {
    expect(exponential({ jitter: 0.2 }).delayMs(1, () => 0.5)).toBe(90)
  })

  test('waits neither longer than the maximum nor less than nothing', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(share, random, fc.integer({ min: 1, max: 1e9 }), (jitter, chance, attempt) => {
        const delayMs = exponential({ jitter }).delayMs(attempt, () => chance)
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(10_000)
      }),
    )
  })

  test('is a value that nobody can change', () => {
    expect(Object.isFrozen(exponential())).toBe(true)
  })

  test.each<[string, unknown]>([
    ['base', { base: 100 }],
    ['base', { base: '0ms' }],
    ['max', { max: '50ms' }],
    ['max', { max: '2d' }],
    ['jitter', { jitter: 1.5 }],
    ['jitter', { jitter: 'some' }],
    ["'factor' is not an option", { factor: 3 }],
  ])('refuses a wrong option: %s', (why, options) => {
    expect(() => exponential(options as ExponentialOptions)).toThrow(why)
  })
})

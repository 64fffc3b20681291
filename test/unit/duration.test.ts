import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { show } from '../../src/core/show.ts'
import { type Duration, formatDuration, parseDuration } from '../../src/core/time/duration.ts'

const anything = { minMs: 0, maxMs: Infinity }
const timeout = { minMs: 100, maxMs: 86_400_000 }
const waitTimeout = { minMs: 1, maxMs: Infinity, zero: true, words: { forever: Infinity } }
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

describe('a duration', () => {
  test.each<[Duration, number]>([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1.5s', 1_500],
    ['0.5h', 1_800_000],
    ['4.35s', 4_350],
    ['0.4ms', 1],
    ['0s', 0],
  ])('%s is %i ms', (written, ms) => {
    expect(parseDuration(written, 'x', anything)).toBe(ms)
  })

  test('of whole units is exactly that many milliseconds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (amount, unit) => {
        expect(parseDuration(`${amount}${unit}`, 'x', anything)).toBe(amount * unitMs[unit])
      }),
    )
  })

  test('reads back from what formatDuration writes, where that is one unit', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (amount, unit) => {
        const ms = amount * unitMs[unit]
        const written = formatDuration(ms)
        if (!written.includes(' ')) expect(parseDuration(written, 'x', anything)).toBe(ms)
      }),
    )
  })

  test.each([1, 30, 1.5, 30_000])('%d is refused, with both readings', (value) => {
    expect(() => parseDuration(value, 'timeout', timeout)).toThrow(
      `timeout: ${value} could mean '${value}s' or '${value}ms': the original counted seconds, JavaScript counts milliseconds. Write a string with the unit.`,
    )
  })

  const wrong: readonly (readonly [unknown, string])[] = [
    [-1, '-1 is negative'],
    [Number.NaN, 'NaN is not a duration'],
    [Infinity, 'Infinity is not a duration'],
    ['', 'is empty'],
    ['  ', 'is empty'],
    ['30', "'30' has no unit: write '30s' for seconds or '30ms' for milliseconds"],
    ['30 s', "'30 s' is not written right: write '30s'"],
    [' 30s', "write '30s'"],
    ['30S', "write '30s'"],
    ['-30s', "'-30s' is negative"],
    ['30sec', 'one of the units ms, s, m, h, d'],
    ['1h30m', 'one of the units'],
    ['1e3ms', 'one of the units'],
    ['.5s', 'one of the units'],
    ['forever', "'forever' is not a duration"],
    ['constructor', 'is not a duration'],
    [undefined, 'undefined is not a duration'],
    [null, 'null is not a duration'],
    [30n, '30n is not a duration'],
    [{ seconds: 3 }, '{"seconds":3} is not a duration'],
    [Object.create(null), 'is not a duration'],
    [Symbol('30s'), 'Symbol(30s) is not a duration'],
  ]
  test.each(wrong.map(([value, why]) => [show(value), value, why] as const))('%s is refused', (_shown, value, why) => {
    expect(() => parseDuration(value, 'timeout', timeout)).toThrow(why)
    expect(() => parseDuration(value, 'timeout', timeout)).toThrow(
      /^timeout: .* Here: at least 100ms and at most 1d\.$/,
    )
    expect(() => parseDuration(value, 'timeout', timeout)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  test('outside its limits is refused, with the limits', () => {
    expect(() => parseDuration('99ms', 'timeout', timeout)).toThrow("timeout: '99ms' is too short: at least 100ms")
    expect(() => parseDuration('25h', 'timeout', timeout)).toThrow(
      "timeout: '25h' is too long: at least 100ms and at most 1d.",
    )
    expect(() => parseDuration(`${'9'.repeat(400)}d`, 'timeout', timeout)).toThrow('too long')
    expect(parseDuration('100ms', 'timeout', timeout)).toBe(100)
    expect(parseDuration('24h', 'timeout', timeout)).toBe(86_400_000)
  })

  test('of 0 is allowed only where it means something', () => {
    expect(parseDuration(0, 'waitTimeout', waitTimeout)).toBe(0)
    expect(parseDuration(-0, 'waitTimeout', waitTimeout)).toBe(0)
    expect(parseDuration('0s', 'waitTimeout', waitTimeout)).toBe(0)
    expect(() => parseDuration(0, 'timeout', timeout)).toThrow('timeout: 0 is too short')
  })

  test('may be a word where there is one', () => {
    expect(parseDuration('forever', 'waitTimeout', waitTimeout)).toBe(Infinity)
    expect(() => parseDuration('soon', 'waitTimeout', waitTimeout)).toThrow("Here: at least 1ms, or 0, or 'forever'.")
  })
})

describe('a duration in a message', () => {
  test.each([
    [0, '0ms'],
    [-5, '0ms'],
    [0.4, '0ms'],
    [250, '250ms'],
    [999.6, '1s'],
    [1_500, '1.5s'],
    [12_340, '12.3s'],
    [59_960, '1m'],
    [65_000, '1m 5s'],
    [3_599_900, '1h'],
    [3_600_000, '1h'],
    [5_400_000, '1h 30m'],
    [86_399_999, '1d'],
    [97_200_000, '1d 3h'],
    [Infinity, 'forever'],
    [Number.NaN, 'an unknown time'],
  ])('of %d ms is %s', (ms, expected) => {
    expect(formatDuration(ms)).toBe(expected)
  })

  test('is at most one part in twenty away from the truth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000_000 }), (ms) => {
        const shown = formatDuration(ms)
          .split(' ')
          .reduce((sum, part) => sum + parseDuration(part, 'x', anything), 0)
        expect(Math.abs(shown - ms) / ms).toBeLessThanOrEqual(0.05)
      }),
    )
  })
})

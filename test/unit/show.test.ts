import { describe, expect, test } from 'vitest'
import { checkCount, checkOptions } from '../../src/core/options.ts'
import { show } from '../../src/core/show.ts'

describe('a value in a message', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const rows: readonly (readonly [unknown, string])[] = [
    ['a', "'a'"],
    ['a\nb', String.raw`"a\nb"`],
    ['\ud800', String.raw`"\ud800"`],
    [30, '30'],
    [30n, '30n'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('s'), 'Symbol(s)'],
    [() => 1, 'a function'],
    [[1, 'a'], '[1,"a"]'],
    [{ a: 1 }, '{"a":1}'],
    [circular, 'an object'],
    [[circular], 'a list'],
    [Object.create(null), '{}'],
    [{ toJSON: () => undefined }, 'an object'],
  ]
  test.each(rows.map(([value, expected]) => [expected, value] as const))('reads %s', (expected, value) => {
    expect(show(value)).toBe(expected)
  })

  test('is short', () => {
    expect(show('x'.repeat(1_000))).toHaveLength(81)
    expect(show({ x: 'y'.repeat(1_000) })).toHaveLength(81)
  })
})

describe('options', () => {
  test('are refused where they are none', () => {
    for (const wrong of [null, undefined, 7, 'x', []]) {
      expect(() => checkOptions(wrong, ['a'], 'retry')).toThrow('is not an object of options')
    }
  })

  test('nobody knows are refused, with those that are known', () => {
    expect(() => checkOptions({ a: 1, attemps: 3 }, ['a', 'attempts'], 'retry')).toThrow(
      "retry: 'attemps' is not an option. Known are a, attempts.",
    )
    expect(() => checkOptions({ a: undefined }, ['a'], 'retry')).not.toThrow()
  })

  test('that count are whole numbers from 1', () => {
    expect(checkCount(1, 'attempts')).toBe(1)
    for (const wrong of [0, -1, 1.5, Infinity, Number.NaN, '3', undefined]) {
      expect(() => checkCount(wrong, 'attempts')).toThrow('attempts: ')
    }
  })
})

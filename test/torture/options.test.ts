import { describe, expect, test } from 'vitest'
import { NoRun, readOptions } from './options.ts'

function refusal(...args: string[]): NoRun {
  try {
    readOptions(args)
  } catch (error) {
    if (error instanceof NoRun) return error
  }
  throw new Error('nothing was refused')
}

describe('the options of a torture run', () => {
  test('have defaults', () => {
    const { seed, ...rest } = readOptions(['--store', 'sqlite'])
    expect(rest).toEqual({ store: 'sqlite', minutes: 10, faults: [], workers: 6, report: null, keep: false })
    expect(seed).toBeGreaterThanOrEqual(0)
  })

  test('are read', () => {
    const args = ['--store', 'redis-aof', '--minutes', '0.5', '--faults', 'kill,pause', '--faults', 'cut']
    const more = ['--workers', '12', '--seed', '7', '--report', 'a.md', '--keep']
    expect(readOptions([...args, ...more])).toEqual({
      store: 'redis-aof',
      minutes: 0.5,
      faults: ['kill', 'pause', 'cut'],
      workers: 12,
      seed: 7,
      report: 'a.md',
      keep: true,
    })
    expect(readOptions(['--store', 'sqlite', '--once']).minutes).toBeNull()
  })

  test('are explained', () => {
    const { code, message } = refusal('--help')
    expect(code).toBe(0)
    expect(message).toMatch(/^Usage: npm run torture/u)
  })

  test.each([
    [['--store', 'mysql'], /'mysql' is not one of sqlite, redis/],
    [[], /--store: '' is not one of/],
    [['--store', 'sqlite', '--minutes', 'x'], /--minutes: 'x'/],
    [['--store', 'sqlite', '--minutes', '1', '--once'], /exclude each other/],
    [['--store', 'sqlite', '--workers', '2'], /--workers: '2'/],
    [['--store', 'sqlite', '--workers', '4.5'], /--workers: '4.5'/],
    [['--store', 'sqlite', '--faults', 'kill,flood'], /'flood' is not one of/],
    [['--store', 'sqlite', '--seed', '-1'], /--seed/],
    [['--wrong'], /Unknown option/],
  ])('are refused where they make no sense: %j', (args, message) => {
    const { code, message: text } = refusal(...args)
    expect(code).toBe(2)
    expect(text).toMatch(message)
    expect(text).toContain('Usage: npm run torture')
  })
})

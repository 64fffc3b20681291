import { describe, expect, test } from 'vitest'
import {
  checkHistory,
  fenced,
  fifo,
  type LockModel,
  mutex,
  type Operation,
  reentrantMutex,
  sharedExclusive,
} from '../../src/testing/index.ts'
import { acquire, expire, extend, release } from '../support/recorded.ts'

function verdictOf<State>(model: LockModel<State>, operations: readonly Operation[]): string {
  return checkHistory(model, operations).verdict
}

describe('a mutex', () => {
  test.each<[string, Operation[]]>([
    ['nothing at all', []],
    ['one after the other', [acquire('a1', 0, 1), release('a1', 2, 3), acquire('b1', 4, 5)]],
    ['a grant that overlaps the release before it', [acquire('a1', 0, 1), release('a1', 2, 9), acquire('b1', 3, 4)]],
    ['calls and returns at the same moment', [acquire('a1', 0, 1), release('a1', 2, 2), acquire('b1', 2, 2)]],
    ['two acquires together, in the order that fits', [acquire('a1', 0, 9), acquire('b1', 0, 5), release('b1', 6, 7)]],
    ['a refusal while somebody holds', [acquire('a1', 0, 1), acquire('b1', 2, 3, { outcome: 'refused' })]],
    [
      'a refusal that may have come before the release',
      [acquire('a1', 0, 1), release('a1', 2, 6), acquire('b1', 5, 9, { outcome: 'refused' })],
    ],
    ['a holder that dies, and its expiry', [acquire('a1', 0, 1), expire('a1', 10, 12), acquire('b1', 5, 13)]],
    [
      'an expiry as early as it can be',
      [acquire('a1', 0, 1), expire('a1', 10, 12), acquire('b1', 10, 10), release('b1', 10, 10), acquire('c1', 11, 11)],
    ],
    ['an expiry that finds the lease released', [acquire('a1', 0, 1), release('a1', 2, 3), expire('a1', 10, 12)]],
    [
      'a release that comes too late',
      [acquire('a1', 0, 1), expire('a1', 5, 6), release('a1', 7, 8, { outcome: 'refused' })],
    ],
    [
      'an extension that comes too late',
      [acquire('a1', 0, 1), expire('a1', 5, 6), extend('a1', 7, 8, { outcome: 'refused' })],
    ],
    ['an extension in time', [acquire('a1', 0, 1), extend('a1', 2, 3), release('a1', 7, 8)]],
    [
      'a release of which nobody learned, and that was done',
      [acquire('a1', 0, 1), release('a1', 2, Infinity, { outcome: 'unknown' }), acquire('b1', 5, 6)],
    ],
    [
      'a release of which nobody learned, and that was not done',
      [
        acquire('a1', 0, 1),
        release('a1', 2, Infinity, { outcome: 'unknown' }),
        acquire('b1', 5, 6, { outcome: 'refused' }),
      ],
    ],
    [
      'an acquire of which nobody learned, and that stands in the way',
      [acquire('a1', 0, Infinity, { outcome: 'unknown' }), acquire('b1', 5, 6, { outcome: 'refused' })],
    ],
    [
      'an acquire of which nobody learned, and that was not done',
      [
        acquire('a1', 0, Infinity, { outcome: 'unknown' }),
        acquire('b1', 5, 6),
        acquire('c1', 7, 8, { outcome: 'refused' }),
      ],
    ],
    [
      'an acquire of which nobody learned, granted between two others',
      [
        acquire('a1', 0, 50, { outcome: 'unknown' }),
        acquire('b1', 1, 2),
        release('b1', 3, 4),
        acquire('c1', 5, 6, { outcome: 'refused' }),
        expire('a1', 10, 60),
        acquire('c2', 7, 30),
      ],
    ],
    ['two resources at the same time', [acquire('a1', 0, 1), acquire('b1', 2, 3, { resource: 's' })]],
  ])('explains %s', (_, operations) => {
    expect(verdictOf(mutex, operations)).toBe('explained')
  })

  test.each<[string, Operation[]]>([
    ['two holders', [acquire('a1', 0, 1), acquire('b1', 2, 3)]],
    ['two holders that overlapped while they asked', [acquire('a1', 0, 5), acquire('b1', 0, 5)]],
    ['a grant before the release was even called', [acquire('a1', 0, 1), acquire('b1', 2, 3), release('a1', 4, 5)]],
    ['a refusal while it is free', [acquire('a1', 0, 1, { outcome: 'refused' })]],
    [
      'a refusal after the release',
      [acquire('a1', 0, 1), release('a1', 2, 3), acquire('b1', 4, 5, { outcome: 'refused' })],
    ],
    ['two releases of one lease', [acquire('a1', 0, 1), release('a1', 2, 3), release('a1', 4, 5)]],
    ['a release by somebody else', [acquire('a1', 0, 1), release('a1', 2, 3, { client: 'b' })]],
    ['a release refused to the holder', [acquire('a1', 0, 1), release('a1', 2, 3, { outcome: 'refused' })]],
    ['an extension refused to the holder', [acquire('a1', 0, 1), extend('a1', 2, 3, { outcome: 'refused' })]],
    ['an extension after the release', [acquire('a1', 0, 1), release('a1', 2, 3), extend('a1', 4, 5)]],
    ['a release before the acquire', [release('a1', 0, 1), acquire('a1', 2, 3)]],
    ['a lease that ends before its time', [acquire('a1', 0, 1), expire('a1', 10, 12), acquire('b1', 5, 6)]],
    [
      'a lease that outlives its time',
      [acquire('a1', 0, 1), expire('a1', 10, 12), acquire('b1', 13, 14, { outcome: 'refused' })],
    ],
    ['an extension after the expiry', [acquire('a1', 0, 1), expire('a1', 5, 6), extend('a1', 7, 8)]],
    ['a release after the expiry', [acquire('a1', 0, 1), expire('a1', 5, 6), release('a1', 7, 8)]],
    [
      'a lease lost to a grant, and then extended',
      [acquire('a1', 0, 1), expire('a1', 5, 20), acquire('b1', 6, 7), extend('a1', 8, 9)],
    ],
    [
      'one unknown release for two grants',
      [
        acquire('a1', 0, 1),
        release('a1', 2, Infinity, { outcome: 'unknown' }),
        acquire('b1', 3, 4),
        acquire('c1', 5, 6),
      ],
    ],
    [
      'an unknown acquire that must hold and must not',
      [
        acquire('a1', 0, 9, { outcome: 'unknown' }),
        acquire('b1', 10, 11, { outcome: 'refused' }),
        acquire('c1', 12, 13),
      ],
    ],
  ])('does not explain %s', (_, operations) => {
    expect(verdictOf(mutex, operations)).toBe('unexplained')
  })
})

describe('a mutex with fencing tokens', () => {
  const model = fenced(mutex)

  test.each<[string, Operation[]]>([
    ['rising tokens', [acquire('a1', 0, 1, { fence: 3 }), release('a1', 2, 3), acquire('b1', 4, 5, { fence: 8 })]],
    ['a grant without a known token', [acquire('a1', 0, 1), release('a1', 2, 3), acquire('b1', 4, 5, { fence: 8 })]],
    [
      'room for the token that nobody saw',
      [
        acquire('a1', 0, 1, { fence: 3 }),
        release('a1', 2, 3),
        acquire('b1', 4, 5, { outcome: 'unknown' }),
        expire('b1', 6, 7),
        acquire('c1', 8, 9, { fence: 5 }),
      ],
    ],
    [
      'the order of the tokens where grants overlap',
      [acquire('a1', 0, 9, { fence: 8 }), acquire('b1', 0, 9, { fence: 3 }), release('b1', 1, 9)],
    ],
  ])('explains %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('explained')
  })

  test.each<[string, Operation[]]>([
    ['a lower token', [acquire('a1', 0, 1, { fence: 8 }), release('a1', 2, 3), acquire('b1', 4, 5, { fence: 3 })]],
    [
      'the same token again',
      [acquire('a1', 0, 1, { fence: 8 }), release('a1', 2, 3), acquire('b1', 4, 5, { fence: 8 })],
    ],
    [
      'a token that starts again after the data was lost',
      [
        acquire('a1', 0, 1, { fence: 8 }),
        expire('a1', 2, 3, { outcome: 'unknown' }),
        acquire('b1', 4, 5, { fence: 1 }),
      ],
    ],
    [
      'no room for a token that must have been given',
      [
        acquire('a1', 0, 1, { fence: 3 }),
        release('a1', 2, 3),
        acquire('b1', 4, 5, { outcome: 'unknown' }),
        acquire('c1', 6, 7, { outcome: 'refused' }),
        expire('b1', 8, 9),
        acquire('d1', 10, 11, { fence: 4 }),
      ],
    ],
    ['two holders, whatever their tokens', [acquire('a1', 0, 1, { fence: 1 }), acquire('b1', 2, 3, { fence: 2 })]],
  ])('does not explain %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('unexplained')
  })
})

describe('a re-entrant mutex', () => {
  const again = { isEntry: true, fence: 1 } as const
  const model = fenced(reentrantMutex)

  test.each<[string, Operation[]]>([
    [
      'entries that share one token, and end with the last',
      [
        acquire('a1', 0, 1, { fence: 1 }),
        acquire('a2', 2, 3, again),
        release('a1', 4, 5),
        release('a2', 6, 7),
        acquire('b1', 8, 9, { fence: 2 }),
      ],
    ],
    [
      'an expiry that ends every entry',
      [
        acquire('a1', 0, 1, { fence: 1 }),
        acquire('a2', 2, 3, again),
        expire('a1', 4, 5),
        release('a2', 6, 7, { outcome: 'refused' }),
        acquire('b1', 8, 9, { fence: 2 }),
      ],
    ],
  ])('explains %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('explained')
  })

  test.each<[string, Operation[]]>([
    ['an entry by somebody else', [acquire('a1', 0, 1, { fence: 1 }), acquire('b1', 2, 3, again)]],
    ['an entry into what is free', [acquire('a1', 0, 1, again)]],
    ['a second lease of the holder', [acquire('a1', 0, 1, { fence: 1 }), acquire('a2', 2, 3, { fence: 2 })]],
    [
      'a grant while an entry is left',
      [
        acquire('a1', 0, 1, { fence: 1 }),
        acquire('a2', 2, 3, again),
        release('a1', 4, 5),
        acquire('b1', 6, 7, { fence: 2 }),
      ],
    ],
  ])('does not explain %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('unexplained')
  })
})

describe('a shared/exclusive lock', () => {
  const shared = { mode: 'shared' } as const
  const refused = { outcome: 'refused' } as const

  test.each<[string, Operation[]]>([
    ['readers together', [acquire('a1', 0, 1, shared), acquire('b1', 2, 3, shared), release('a1', 4, 5)]],
    [
      'a writer after the last reader',
      [
        acquire('a1', 0, 1, shared),
        acquire('b1', 2, 3, shared),
        release('b1', 4, 5),
        release('a1', 6, 7),
        acquire('c1', 5, 8),
      ],
    ],
    [
      'a reader refused beside a reader, because a writer waits',
      [acquire('a1', 0, 1, shared), acquire('b1', 2, 3, { ...shared, ...refused })],
    ],
  ])('explains %s', (_, operations) => {
    expect(verdictOf(sharedExclusive, operations)).toBe('explained')
  })

  test.each<[string, Operation[]]>([
    ['a writer beside a reader', [acquire('a1', 0, 1, shared), acquire('b1', 2, 3)]],
    ['a reader beside a writer', [acquire('a1', 0, 1), acquire('b1', 2, 3, shared)]],
    ['two writers', [acquire('a1', 0, 1), acquire('b1', 2, 3)]],
    [
      'a writer before the last reader has gone',
      [
        acquire('a1', 0, 1, shared),
        acquire('b1', 2, 3, shared),
        release('a1', 4, 5),
        acquire('c1', 6, 7),
        release('b1', 8, 9),
      ],
    ],
    ['a reader refused by nobody', [acquire('a1', 0, 1, { ...shared, ...refused })]],
  ])('does not explain %s', (_, operations) => {
    expect(verdictOf(sharedExclusive, operations)).toBe('unexplained')
  })
})

describe('a lock in order of arrival', () => {
  const model = fifo(fenced(sharedExclusive))
  const [shared, refused] = [{ mode: 'shared' }, { outcome: 'refused' }] as const
  const held = [acquire('a1', 0, 1), release('a1', 20, 21)]

  test.each<[string, Operation[]]>([
    ['grants in order', [...held, acquire('b1', 5, 22, { arrivedBy: 6 }), acquire('c1', 7, 25), release('b1', 23, 24)]],
    [
      'both orders where arrivals overlap',
      [...held, acquire('b1', 5, 25, { arrivedBy: 8 }), acquire('c1', 7, 22, { arrivedBy: 9 }), release('c1', 23, 24)],
    ],
    [
      'any order where nobody knows when they arrived',
      [...held, acquire('b1', 5, 25), acquire('c1', 7, 22, { arrivedBy: 9 }), release('c1', 23, 24)],
    ],
    ['a waiter that had given up', [...held, acquire('b1', 5, 15, { arrivedBy: 6, ...refused }), acquire('c1', 7, 22)]],
    [
      'a dead waiter that is skipped',
      [...held, acquire('b1', 5, 90, { arrivedBy: 6, outcome: 'unknown' }), acquire('c1', 7, 22)],
    ],
    [
      'readers that do not wait for each other',
      [
        ...held,
        acquire('b1', 5, 30, { ...shared, arrivedBy: 6 }),
        acquire('c1', 7, 22, { ...shared, arrivedBy: 8 }),
        release('c1', 23, 24),
      ],
    ],
  ])('explains %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('explained')
  })

  test.each<[string, Operation[]]>([
    [
      'a grant out of order',
      [...held, acquire('b1', 5, 25, { arrivedBy: 6 }), acquire('c1', 7, 22), release('c1', 23, 24)],
    ],
    [
      'a reader that overtakes a writer',
      [
        acquire('a1', 0, 1, shared),
        acquire('b1', 2, 30, { arrivedBy: 3 }),
        acquire('c1', 4, 5, shared),
        release('a1', 10, 11),
        release('c1', 12, 13),
      ],
    ],
    [
      'a writer that overtakes a reader',
      [...held, acquire('b1', 5, 30, { ...shared, arrivedBy: 6 }), acquire('c1', 7, 22), release('c1', 23, 24)],
    ],
    [
      'the order of three of whom only the first and the last are out of it',
      [
        ...held,
        acquire('b1', 5, 40, { arrivedBy: 6 }),
        acquire('c1', 5, 22, { arrivedBy: 9 }),
        release('c1', 23, 24),
        acquire('d1', 8, 30),
        release('d1', 31, 32),
      ],
    ],
  ])('does not explain %s', (_, operations) => {
    expect(verdictOf(model, operations)).toBe('unexplained')
  })
})

describe('the checker', () => {
  test.each<[string, Operation[], RegExp]>([
    ['a return before the call', [acquire('a1', 5, 4)], /returned before it was called/],
    ['a call at no time', [acquire('a1', Number.NaN, 4)], /returned before it was called/],
    ['an outcome without a return', [acquire('a1', 5, Infinity)], /never returned/],
    ['two acquires of one lease', [acquire('a1', 0, 1), acquire('a1', 2, 3)], /another acquire/],
    ['a lease without its acquire', [release('a1', 0, 1)], /no acquire/],
    ['an expiry before the grant', [acquire('a1', 0, 9), expire('a1', 0, 8)], /may be granted after that/],
    ['a lease of another resource', [acquire('a1', 0, 1), release('a1', 2, 3, { resource: 's' })], /one of r/],
  ])('refuses %s', (_, operations, message) => {
    expect(() => checkHistory(mutex, operations)).toThrow(message)
  })
})

import { describe, expect, test } from 'vitest'
import {
  checkHistory,
  expiriesOf,
  fenced,
  fifo,
  type LockModel,
  mutex,
  type Operation,
  reentrantMutex,
  sharedExclusive,
  type Unexplained,
} from '../../src/testing/index.ts'
import { someOrderExplains } from '../support/every-order.ts'
import { Random } from '../support/random.ts'
import { acquire, expire, extend, legalRun, release, withOneLie } from '../support/recorded.ts'

const MODELS = [
  ['a fenced mutex', fenced(mutex), false],
  ['a fenced shared/exclusive lock', fenced(sharedExclusive), true],
  ['a shared/exclusive lock in order of arrival', fifo(sharedExclusive), true],
] as const

function unexplained<State>(model: LockModel<State>, operations: readonly Operation[]): Unexplained {
  const verdict = checkHistory(model, operations)
  if (verdict.verdict !== 'unexplained') throw new Error(`the history is ${verdict.verdict}`)
  return verdict
}

describe.each<[string, LockModel<unknown>, boolean]>(MODELS as never)('a legal run of %s', (_, model, shared) => {
  test('is explained, however the clients overlap', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = new Random(seed)
      const drawing = { clients: 2 + random.below(8), operations: 60, shared, spreadMs: random.below(12) }
      expect(checkHistory(model, legalRun(random, drawing)).verdict, `seed ${seed}`).toBe('explained')
    }
  })

  test('with one lie is mostly not explained', () => {
    let caught = 0
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Random(seed)
      const run = legalRun(random, { clients: 5, operations: 40, shared, spreadMs: 2 })
      if (checkHistory(model, withOneLie(random, run)).verdict === 'unexplained') caught += 1
    }
    // The rest are lies that could have been true: a refused reader, a token that nobody else limits, a lucky overlap.
    expect(caught).toBeGreaterThan(shared ? 90 : 140)
  })

  test('is judged as trying every order judges it, with and without a lie', () => {
    const seen = { explained: 0, unexplained: 0, undecided: 0 }
    for (let seed = 1; seed <= 1500; seed += 1) {
      const random = new Random(seed)
      const run = legalRun(random, { clients: 2 + random.below(3), operations: 6, shared, spreadMs: random.below(6) })
      const waiting = run.map((operation) =>
        operation.kind === 'acquire' && random.chance(0.5)
          ? { ...operation, arrivedBy: operation.calledAt + random.below(3) }
          : operation,
      )
      const told = random.chance(0.6) ? withOneLie(random, waiting) : waiting
      const { verdict } = checkHistory(model, told)
      seen[verdict] += 1
      expect(verdict, `seed ${seed}`).toBe(someOrderExplains(model, told) ? 'explained' : 'unexplained')
    }
    expect(Math.min(seen.explained, seen.unexplained)).toBeGreaterThan(200)
    expect(seen.undecided).toBe(0)
  })
})

describe('the work of the search', () => {
  test('grows with the length of the history, not with its square', () => {
    const visitedOf = (operations: number): number => {
      const run = legalRun(new Random(7), { clients: 8, operations, shared: true, spreadMs: 4 })
      const verdict = checkHistory(fifo(fenced(sharedExclusive)), run)
      expect(verdict.verdict).toBe('explained')
      return verdict.visited
    }
    const [few, many] = [visitedOf(1_000), visitedOf(10_000)]
    expect(many).toBeLessThan(few * 20)
    expect(many).toBeLessThan(10_000 * 30)
  })

  test('stays small where a lie is at the very end of 10 000 operations', () => {
    const run = legalRun(new Random(8), { clients: 8, operations: 10_000, shared: false, spreadMs: 2 })
    const end = Math.max(...run.map(({ returnedAt }) => returnedAt))
    const late = [acquire('late1', end + 1, end + 2, { fence: 1 })]
    const { visited, window, failedAt } = unexplained(fenced(sharedExclusive), [...run, ...late])
    expect(failedAt.lease).toBe('late1')
    expect(visited).toBeLessThan(10_000 * 30)
    expect(window.length).toBeLessThanOrEqual(3)
  })

  test('is given up where it was told to, and then nothing is claimed', () => {
    const run = legalRun(new Random(9), { clients: 8, operations: 200, shared: true, spreadMs: 4 })
    const verdict = checkHistory(fenced(sharedExclusive), run, { maxVisited: 50 })
    expect(verdict).toMatchObject({ verdict: 'undecided' })
  })

  test('is done for each resource by itself', () => {
    const run = legalRun(new Random(10), { clients: 4, operations: 100, shared: false, spreadMs: 2 })
    const other = run.map((operation) => ({ ...operation, resource: 's', lease: `${operation.lease}s` }))
    const alone = checkHistory(fenced(mutex), run).visited
    expect(checkHistory(fenced(mutex), [...run, ...other])).toEqual({ verdict: 'explained', visited: 2 * alone })
  })
})

describe('the report of what has no explanation', () => {
  const before = legalRun(new Random(11), { clients: 4, operations: 300, shared: false, spreadMs: 1 })
  const end = Math.ceil(Math.max(...before.map(({ returnedAt }) => returnedAt))) + 1_000
  // Whoever still held at the end of the drawn run has let go.
  const history = before.filter(({ lease }) =>
    before.some(
      (about) => about.lease === lease && ['release', 'expire'].includes(about.kind) && about.outcome === 'done',
    ),
  )

  test('shows two holders, and nobody else', () => {
    const wrong = [acquire('anna1', end, end + 1, { fence: 9001 }), acquire('bert1', end + 2, end + 3, { fence: 9002 })]
    const { window, failedAt, report } = unexplained(fenced(mutex), [...history, ...wrong])
    expect(window).toEqual(wrong)
    expect(failedAt).toEqual(wrong[1])
    expect(report).toContain('r does not behave like a mutex with fencing tokens')
    expect(report).toContain('held by anna (exclusive, lease anna1, token 9001), greatest token 9001')
    expect(report).toMatch(/^> +2\.0 \.\. +3\.0 {2}bert is granted lease bert1 \(token 9002\)$/mu)
  })

  test('shows the refusal that nobody was in the way of, and what was near it', () => {
    const wrong = acquire('anna1', end, end + 1, { outcome: 'refused' })
    const { window, failedAt } = unexplained(mutex, [...history, wrong])
    expect(failedAt).toEqual(wrong)
    expect(window).toEqual([wrong])
  })

  test('shows the token that does not rise, and the one above it', () => {
    const wrong = acquire('anna1', end, end + 1, { fence: 2 })
    const { window } = unexplained(fenced(mutex), [...history, wrong])
    expect(window.filter(({ kind }) => kind === 'acquire')).toHaveLength(2)
    expect(window).toContain(wrong)
  })

  test('shows what a refusal proves where that is the contradiction', () => {
    const wrong = [
      acquire('anna1', end, end + 9, { outcome: 'unknown' }),
      acquire('bert1', end + 10, end + 11, { outcome: 'refused' }),
      acquire('carl1', end + 12, end + 13),
    ]
    const { window, failedAt } = unexplained(mutex, [...history, ...wrong])
    expect(failedAt).toEqual(wrong[2])
    expect(window).toEqual(wrong)
  })

  test('shows who was overtaken, by whom, and nobody else', () => {
    const overtaken = acquire('bert1', end + 2, end + 90, { arrivedBy: end + 3 })
    const wrong = [acquire('anna1', end, end + 1), overtaken, acquire('carl1', end + 4, end + 9, { mode: 'shared' })]
    const { window } = unexplained(fifo(sharedExclusive), [...history, ...wrong, release('anna1', end + 6, end + 7)])
    expect(window.map(({ lease }) => lease)).toEqual(['bert1', 'carl1'])
  })

  test('keeps with an entry the lease that was entered', () => {
    const entered = [acquire('anna1', end, end + 1), acquire('anna2', end + 2, end + 3, { isEntry: true })]
    const wrong = [...entered, release('anna1', end + 4, end + 5), acquire('bert1', end + 6, end + 7)]
    const { window } = unexplained(reentrantMutex, [...history, ...wrong])
    expect(window).toEqual(wrong)
  })

  test('leaves open what had not returned by then', () => {
    const late = release('bert1', end + 2, end + 9)
    const wrong = [acquire('anna1', end, end + 1), acquire('bert1', end + 2, end + 3), late]
    const { window } = unexplained(mutex, [...history, ...wrong])
    expect(window).toContainEqual({ ...late, returnedAt: Infinity })
  })
})

describe('the expiries of a history', () => {
  const lease = { leaseMs: 10 } as const

  test('come between the earliest and the latest end of a lease', () => {
    expect(expiriesOf([acquire('a1', 0, 3, lease)])).toEqual([expire('a1', 10, 13)])
    expect(expiriesOf([acquire('a1', 0, 3, lease)], { lateMs: 5 })).toEqual([expire('a1', 10, 18)])
    expect(expiriesOf([acquire('a1', 0, 3, lease)], { deadMs: 6 })).toEqual([expire('a1', 6, 13)])
  })

  test('come later after an extension, and perhaps later after one of which nobody learned', () => {
    expect(expiriesOf([acquire('a1', 0, 3, lease), extend('a1', 5, 6, { leaseMs: 20 })])).toEqual([
      expire('a1', 25, 26),
    ])
    const unknown = extend('a1', 5, 6, { leaseMs: 20, outcome: 'unknown' })
    expect(expiriesOf([acquire('a1', 0, 3, lease), unknown])).toEqual([expire('a1', 10, 26)])
    const refused = extend('a1', 5, 6, { leaseMs: 20, outcome: 'refused' })
    expect(expiriesOf([acquire('a1', 0, 3, lease), refused])).toEqual([expire('a1', 10, 13)])
  })

  test('may never come to a lease of which nobody knows whether it was granted', () => {
    const unknown = acquire('a1', 0, Infinity, { ...lease, outcome: 'unknown' })
    expect(expiriesOf([unknown])).toEqual([expire('a1', 10, Infinity)])
  })

  test('do not come to what was refused, was released, or has no end', () => {
    expect(expiriesOf([acquire('a1', 0, 3, { ...lease, outcome: 'refused' })])).toEqual([])
    expect(expiriesOf([acquire('a1', 0, 3, lease), release('a1', 4, 5)])).toEqual([])
    expect(expiriesOf([acquire('a1', 0, 3, lease), release('a1', 9, 12)])).toEqual([expire('a1', 10, 13)])
    expect(expiriesOf([acquire('a1', 0, 3)])).toEqual([])
  })

  test('explain the next grant after a crash, at the right time only', () => {
    const crashed = acquire('a1', 0, 3, lease)
    const verdictAt = (at: number): string => {
      const operations = [crashed, acquire('b1', 4, at)]
      return checkHistory(mutex, [...operations, ...expiriesOf(operations)]).verdict
    }
    expect(verdictAt(10)).toBe('explained')
    expect(verdictAt(9)).toBe('unexplained')
  })
})

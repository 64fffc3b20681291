import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/processes.ts'
import type { Life } from './crew.ts'
import type { Injection } from './fault.ts'
import { type Circumstances, judge, type Judgement } from './judgement.ts'
import type { LoggedGrant } from './ledger.ts'
import type { Line } from './protocol.ts'
import { readRecords } from './recording.ts'

const BOUNDS = { leaseMs: 1_000, deadMs: 600, endedAt: 100_000 } as const
const resource = 'torture:counter'
const mode = 'exclusive'

/** What a worker writes down that asks, perhaps waits, holds and lets go. */
function turn(lease: string, from: number, grantedAt: number, to: number, fence: number, queuedAt?: number): Line[] {
  return [
    { is: 'call', at: from, kind: 'acquire', lease, resource, mode },
    ...(queuedAt === undefined ? [] : [{ is: 'queued', at: queuedAt, lease } as const]),
    { is: 'return', at: grantedAt, kind: 'acquire', lease, outcome: 'done', fence, reliedUntil: grantedAt + 900 },
    { is: 'call', at: to, kind: 'release', lease, resource, mode },
    { is: 'return', at: to + 1, kind: 'release', lease, outcome: 'done' },
  ]
}

interface Facts extends Partial<Omit<Circumstances, 'lives'>> {
  readonly killed?: Readonly<Record<string, number>>
  /** The last line of each file is half written. */
  readonly torn?: boolean
  readonly grants?: ReadonlyMap<string, readonly LoggedGrant[]>
}

/** Writes one file for each worker and judges them. */
function judged(workers: Readonly<Record<string, readonly Line[]>>, facts: Facts = {}): Judgement {
  const folder = temporaryFolder()
  const lives = Object.entries(workers).map(([name, lines]): Life => {
    const file = join(folder, `${name}.jsonl`)
    for (const line of lines) appendFileSync(file, `${JSON.stringify(line)}\n`)
    if (facts.torn === true) appendFileSync(file, '{"is":"return","at":5')
    return { name, file, killedAt: facts.killed?.[name] ?? null, pauses: [] }
  })
  const { injections = [], abandoned = new Map(), deadMs = BOUNDS.deadMs } = facts
  const records = lives.flatMap((life) => readRecords(life, BOUNDS, facts.grants ?? new Map()))
  return judge(records, { lives, injections, abandoned, deadMs })
}

function logged(fence: number, grantedBy: number, endedBy: number): LoggedGrant {
  return { fence, grantedBy, endedBy, wasReleased: false }
}

function injection(from: number, to: number, facts: Partial<Injection>): Injection {
  const base = { kind: 'crash', name: 'kill the server', what: 'it was killed', recoveredMs: 0 } as const
  return { ...base, losesData: false, isOutage: false, from, to, ...facts }
}

describe('what workers have written down', () => {
  test('is counted, and explained where they took turns', () => {
    const judgement = judged({ a: turn('a.1', 0, 1, 5, 10), b: turn('b.1', 2, 7, 9, 11, 3) }, { torn: true })
    expect(judgement).toMatchObject({ operations: 4, grants: 2, longestWaitMs: 5, lowestToken: 10, highestToken: 11 })
    expect(judgement.verdict.verdict).toBe('explained')
    expect(judgement).toMatchObject({ fallingTokens: [], blurred: 0, inLine: 1 })
  })

  test('is not explained where two held', () => {
    const { verdict } = judged({ a: turn('a.1', 0, 1, 9, 10), b: turn('b.1', 2, 3, 5, 11) })
    expect(verdict).toMatchObject({ verdict: 'unexplained', failedAt: { lease: 'b.1', kind: 'acquire' } })
  })

  test('is not explained where a lease ended while its holder could rely on it', () => {
    const silent = turn('a.1', 0, 1, 9, 10).slice(0, 2)
    const at = (ms: number): string => judged({ a: silent, b: turn('b.1', 2, ms, ms + 1, 11) }).verdict.verdict
    expect(at(500)).toBe('unexplained')
    expect(at(950)).toBe('explained')
  })

  test('is not explained where somebody was overtaken in line', () => {
    const told = { a: turn('a.1', 0, 1, 9, 10), b: turn('b.1', 2, 20, 21, 12, 3), c: turn('c.1', 5, 11, 12, 11, 6) }
    expect(judged(told).verdict.verdict).toBe('unexplained')
    expect(judged(told, { abandoned: new Map([['b.1', 1]]) }).verdict.verdict).toBe('explained')
    expect(judged(told, { injections: [injection(3, 4, { isOutage: true })] }).verdict.verdict).toBe('explained')
    expect(judged(told, { injections: [injection(3, 4, {})] }).verdict.verdict).toBe('unexplained')
  })

  test('is not explained where a free lock was refused, but is where a dead holder was in the way', () => {
    const refused: Line[] = [
      { is: 'call', at: 50, kind: 'acquire', lease: 'b.1', resource, mode },
      { is: 'return', at: 51, kind: 'acquire', lease: 'b.1', outcome: 'refused', code: 'BUSY' },
    ]
    expect(judged({ a: turn('a.1', 0, 1, 5, 10), b: refused }).verdict.verdict).toBe('unexplained')
    const killed = { a: turn('a.1', 0, 1, 5, 10).slice(0, 1), b: refused }
    expect(judged(killed, { killed: { a: 4 } }).verdict.verdict).toBe('unexplained')
    const grants = new Map([['a.1', [logged(10, 5, 700)]]])
    expect(judged(killed, { killed: { a: 4 }, grants }).verdict.verdict).toBe('explained')
  })

  test('is not explained where somebody waited in vain for what was free', () => {
    const inVain: Line[] = [
      { is: 'call', at: 0, kind: 'acquire', lease: 'b.1', resource, mode, waitMs: 200 },
      { is: 'queued', at: 2, lease: 'b.1' },
      { is: 'return', at: 203, kind: 'acquire', lease: 'b.1', outcome: 'refused', code: 'WAIT_TIMEOUT' },
    ]
    expect(judged({ a: turn('a.1', 0, 1, 5, 10), b: inVain }).verdict.verdict).toBe('unexplained')
    expect(judged({ a: turn('a.1', 0, 1, 202, 10), b: inVain }).verdict.verdict).toBe('explained')
    // The next in line gets it only when this one has left.
    const next = { a: turn('a.1', 0, 1, 5, 10), b: inVain, c: turn('c.1', 10, 203, 204, 11, 12) }
    expect(judged(next, { abandoned: new Map([['b.1', 1]]) }).verdict.verdict).toBe('unexplained')
    // Its own grant, which it no longer heard of, was in the way.
    const grants = new Map([['b.1', [logged(11, 6, 210)]]])
    expect(judged({ a: turn('a.1', 0, 1, 5, 10), b: inVain }, { grants }).verdict.verdict).toBe('explained')
  })

  test('is explained where a grant did not arrive, and came again', () => {
    const again = turn('b.1', 2, 40, 45, 13)
    const told = { a: turn('a.1', 0, 1, 5, 10), b: again, c: turn('c.1', 12, 20, 21, 12) }
    const between: Line[] = [
      { is: 'call', at: 10, kind: 'acquire', lease: 'd.1', resource, mode },
      { is: 'return', at: 11, kind: 'acquire', lease: 'd.1', outcome: 'refused', code: 'BUSY' },
    ]
    expect(judged({ ...told, d: between }).verdict.verdict).toBe('unexplained')
    const grants = new Map([['b.1', [logged(11, 7, 12), logged(13, 40, 46)]]])
    expect(judged({ ...told, d: between }, { grants }).verdict.verdict).toBe('explained')
  })

  test('is explained where a grant arrived when it was over', () => {
    const [asked] = turn('a.1', 0, 1, 5, 10)
    const a: Line[] = [
      asked as Line,
      { is: 'return', at: 1_500, kind: 'acquire', lease: 'a.1', outcome: 'done', fence: 10 },
    ]
    expect(judged({ a, b: turn('b.1', 1_100, 1_200, 1_300, 11) }).verdict.verdict).toBe('explained')
  })

  test('is explained where the answer to a release came too late', () => {
    const late = turn('a.1', 0, 1, 5, 10).slice(0, 3)
    const lost = (at: number): Line[] => [
      ...late,
      { is: 'return', at, kind: 'release', lease: 'a.1', outcome: 'refused' },
    ]
    const b = turn('b.1', 2, 7, 9, 11, 3)
    expect(judged({ a: lost(5_000), b }).verdict.verdict).toBe('explained')
    // Its holder could still rely on it.
    expect(judged({ a: lost(500), b }).verdict.verdict).toBe('unexplained')
  })

  test('is judged by tokens alone where the store lost its data', () => {
    const told = { a: turn('a.1', 0, 1, 9, 10), b: turn('b.1', 2, 3, 5, 11) }
    const loss = { injections: [injection(2, 4, { losesData: true })] }
    expect(judged(told, loss)).toMatchObject({ blurred: 2, verdict: { verdict: 'explained' } })
    const fallen = { a: turn('a.1', 0, 1, 9, 12), b: turn('b.1', 2, 3, 5, 11) }
    expect(judged(fallen, loss).fallingTokens).toEqual(['b.1 got 11 after a.1 had got 12'])
  })
})

import type { Claim, Mode, Scope } from '../../core/model.ts'
import { expect } from '../test-tools.ts'
import type { ContractCase, ContractTopic } from '../topic.ts'
import type { World } from '../world.ts'

/** How the second resource stands to the first: the same, above it, under it, or neither. */
type Relation = 'same' | 'above' | 'below' | 'apart'

interface Pair {
  readonly first: string
  readonly second: string
  readonly relation: Relation
}

const PAIRS: readonly Pair[] = [
  { first: 'file:src/a.ts', second: 'file:src/a.ts', relation: 'same' },
  { first: 'file:src/core/a.ts', second: 'file:src/core', relation: 'above' },
  { first: 'file:src/core/table/a.ts', second: 'file:src', relation: 'above' },
  { first: 'file:src/a.ts', second: 'file:', relation: 'above' },
  { first: 'file:src', second: 'file:src/a.ts', relation: 'below' },
  { first: 'file:src', second: 'file:src/core/a.ts', relation: 'below' },
  { first: 'file:', second: 'file:a', relation: 'below' },
  { first: 'file:src/a', second: 'file:src/b', relation: 'apart' },
  { first: 'file:src', second: 'file:src2/a', relation: 'apart' },
  { first: 'file:', second: 'state:a', relation: 'apart' },
]

const MODES: readonly Mode[] = ['exclusive', 'shared']
const SCOPES: readonly Scope[] = ['node', 'tree']

/** The conflict rule, written out instead of computed by the code under test. */
function areToConflict(pair: Pair, a: { mode: Mode; scope: Scope }, b: { mode: Mode; scope: Scope }): boolean {
  if (a.mode === 'shared' && b.mode === 'shared') return false
  if (pair.relation === 'same') return true
  if (pair.relation === 'above') return b.scope === 'tree'
  return pair.relation === 'below' && a.scope === 'tree'
}

function pairCases(): ContractCase[] {
  const cases: ContractCase[] = []
  for (const pair of PAIRS) {
    for (const scope of SCOPES) {
      for (const otherScope of SCOPES) {
        cases.push(pairCase(pair, scope, otherScope))
      }
    }
  }
  return cases
}

/** In each combination of modes, and as well against a waiter as against a holder. */
function pairCase(pair: Pair, scope: Scope, otherScope: Scope): ContractCase {
  const expected = MODES.flatMap((mode) =>
    MODES.map((other) => areToConflict(pair, { mode, scope }, { mode: other, scope: otherScope })),
  )
  const verdict = expected.includes(true) ? 'conflict unless both are shared' : 'never conflict'
  return {
    title: `a ${scope} claim on ${pair.first} and a ${otherScope} claim on ${pair.second} ${verdict}`,
    run: async (world) => {
      const found: boolean[] = []
      const foundInLine: boolean[] = []
      for (const mode of MODES) {
        for (const otherMode of MODES) {
          const first = { resourceId: pair.first, scope, mode }
          const second = { resourceId: pair.second, scope: otherScope, mode: otherMode }
          found.push(await standsInTheWay(world, first, second))
          foundInLine.push(await standsInLine(world, first, second))
        }
      }
      expect(found).toEqual(expected)
      expect(foundInLine).toEqual(expected)
    },
  }
}

/** Whether somebody who holds the first holds the second back. */
async function standsInTheWay(world: World, first: Claim, second: Claim): Promise<boolean> {
  const [holder, other] = world.sessions('holder', 'other')
  const held = await holder.acquire(first)
  const got = await other.attempt(second)
  await holder.release(held)
  if (got !== undefined) await other.release(got)
  return got === undefined
}

/** Whether somebody who waits for the first holds the second back. */
async function standsInLine(world: World, first: Claim, second: Claim): Promise<boolean> {
  const [holder, waiter, late] = world.sessions('holder', 'waiter', 'late')
  const gate = await holder.acquire('gate:1')
  const place = await waiter.queue(['gate:1', first])
  const got = await late.attempt(second)
  await waiter.cancel(place)
  await holder.release(gate)
  if (got !== undefined) await late.release(got)
  return got === undefined
}

const ODD_IDS: readonly (readonly [what: string, id: string, under: string])[] = [
  ['empty segments', 'state:a//b', 'state:a//b/'],
  ['spaces', 'state:a b/ c ', 'state:a b/ c /d'],
  ['glob characters', 'state:*/[a-z]?%_', 'state:*/[a-z]?%_/x'],
  ['quotes and backslashes', `state:'"\\`, `state:'"\\/x`],
  ['any script', 'state:données/日本語/🔒', 'state:données/日本語/🔒/x'],
  ['further colons', 'state:a:b:', 'state:a:b:/c'],
  ['no path', 'state:', 'state:/'],
  ['a leading slash', 'state:/a', 'state:/a/b'],
  ['a high surrogate pair next to a private character', 'state:\u{10FFFF}', 'state:\u{10FFFF}/\uFFFF'],
]

const oddCases: readonly ContractCase[] = ODD_IDS.map(([what, id, under]) => ({
  title: `an id with ${what} is plain text: it conflicts with itself and its ancestors' trees and with nothing else`,
  run: async (world) => {
    const [a, b] = world.sessions('a', 'b')
    const lock = await a.acquire(id)
    expect(await b.attempt(id)).toBeUndefined()
    expect(await b.attempt({ resourceId: 'state:', scope: 'tree' })).toBeUndefined()
    for (const other of [under, `${id}2`, `${id} `, `${id}é`]) await b.release(await b.acquire(other))
    await a.release(lock)
    await a.acquire({ resourceId: id, scope: 'tree' })
    expect(await b.attempt(under)).toBeUndefined()
    expect(await b.attempt(id)).toBeUndefined()
  },
}))

const LONG_ID = `state:${'é'.repeat(509)}`

export const conflictTopic: ContractTopic = {
  topic: 'conflict',
  cases: [
    ...pairCases(),
    ...oddCases,
    {
      title: 'ids are case-sensitive',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:README.md')
        await b.acquire('file:readme.md')
      },
    },
    {
      title: 'ids of the same text in other normal forms are other resources',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:caf\u00e9')
        await b.acquire('file:cafe\u0301')
      },
    },
    {
      title: 'an id may be 1024 bytes long',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire(LONG_ID)
        expect(await b.attempt(LONG_ID)).toBeUndefined()
        expect((await b.inspect(LONG_ID)).leases[0]?.claim.resourceId).toBe(LONG_ID)
        await a.release(lock)
        await b.acquire(`${LONG_ID.slice(0, -1)}/x`)
      },
    },
    {
      title: 'claims of one request never conflict with each other',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire(['file:src/**', 'file:src/a.ts', { resourceId: 'file:src', mode: 'shared' }, 'file:**'])
        expect(await b.attempt('file:x')).toBeUndefined()
      },
    },
    {
      title: 'a request may have an exclusive and a shared claim on one resource in different scopes',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire([
          { resourceId: 'file:src', mode: 'exclusive', scope: 'node' },
          { resourceId: 'file:src', mode: 'shared', scope: 'tree' },
        ])
        expect(await b.attempt('file:src', { mode: 'shared' })).toBeUndefined()
        expect(await b.attempt('file:src/a')).toBeUndefined()
        const reader = await b.acquire('file:src/a', { mode: 'shared' })
        await b.release(reader)
        await a.release(lock)
        await b.acquire('file:**')
      },
    },
    {
      title: 'what the very first batch is granted stands, also where it looks around in between',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const look = { type: 'list', prefix: '', agentId: null, minAgeMs: 0, after: null } as const
        await a.send([a.asking('file:a'), a.asking('file:b'), look])
        expect(await b.attempt('file:**')).toBeUndefined()
      },
    },
    {
      title: 'a tree claim that has gone holds nobody back',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.release(await a.acquire('file:src/**'))
        await b.acquire('file:src/a')
      },
    },
  ],
}

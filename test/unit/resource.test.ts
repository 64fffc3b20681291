import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Claim } from '../../src/core/model.ts'
import {
  ancestorsOf,
  claimText,
  conflicts,
  covers,
  isUnder,
  parseClaim,
  parseClaims,
  parseResource,
  prefixUnder,
  reachesOver,
  type ResourceInput,
  typeOf,
} from '../../src/core/resource/resource.ts'

const claim = (written: string, mode: Claim['mode'] = 'exclusive'): Claim => parseClaim(written, mode)
const codeOf = (call: () => unknown): unknown => {
  try {
    call()
    return 'no error'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

describe('a resource id', () => {
  test.each([
    ['state:order/42', 'state:order/42', 'node'],
    ['port:5432', 'port:5432', 'node'],
    ['git:index', 'git:index', 'node'],
    ['index', 'resource:index', 'node'],
    ['a/b', 'resource:a/b', 'node'],
    ['x:', 'x:', 'node'],
    ['x:/', 'x:/', 'node'],
    ['x:/a', 'x:/a', 'node'],
    ['x:a//b', 'x:a//b', 'node'],
    ['x:a/./b/..', 'x:a/./b/..', 'node'],
    ['x:a:b', 'x:a:b', 'node'],
    ['x:*', 'x:*', 'node'],
    ['x:a**', 'x:a**', 'node'],
    ['x:a/**/b', 'x:a/**/b', 'node'],
    ['x: space ', 'x: space ', 'node'],
    ['x:%2Fа/日本/🦊', 'x:%2Fа/日本/🦊', 'node'],
    ['x:**', 'x:', 'tree'],
    ['x:a/**', 'x:a', 'tree'],
    ['x:a//**', 'x:a/', 'tree'],
    ['x:/**', 'x:', 'tree'],
    ['**', 'resource:', 'tree'],
    ['a/**', 'resource:a', 'tree'],
  ])('%j is read as %j, a %s', (written, resourceId, scope) => {
    expect(parseResource(written)).toEqual({ resourceId, scope })
  })

  test.each([
    ['file:./a', 'file:a'],
    ['file:a//b', 'file:a/b'],
    ['file:x/../a', 'file:a'],
    ['file:a/', 'file:a'],
    ['file:', 'file:'],
    ['file:.', 'file:'],
    ['file:a/..', 'file:'],
    ['file:...', 'file:...'],
    ['file:./**', 'file:'],
    ['file:src/../**', 'file:'],
    ['file:src//**', 'file:src'],
  ])('of a file is one for all spellings: %j is %j', (written, resourceId) => {
    expect(parseResource(written).resourceId).toBe(resourceId)
  })

  test.each([
    ['', 'empty'],
    [':a', 'empty type'],
    ['x:a\nb', 'control character'],
    ['x:\u0000', 'control character'],
    ['x:\u0085', 'control character'],
    ['x:\ud800', 'surrogate'],
    [`x:${'a'.repeat(1023)}`, 'too long'],
    [`x:${'é'.repeat(512)}`, 'too long'],
    ['a'.repeat(1016), 'too long'],
    ['file:/etc/passwd', 'absolute'],
    ['file:/**', 'absolute'],
    ['file:..', 'climbs'],
    ['file:a/../../b', 'climbs'],
    ['file:../**', 'climbs'],
  ])('%j is refused: %s', (written, why) => {
    expect(() => parseResource(written)).toThrow(why)
    expect(codeOf(() => parseResource(written))).toBe('INVALID')
  })

  test.each(['x:a/**/**', 'x:**/**', 'file:a/**/', 'file:**/.', 'file:a/**/b/..', 'a/**/**'])(
    '%j is refused, because what it comes to would read as a tree',
    (written) => {
      expect(() => parseResource(written)).toThrow("'**' stands once")
    },
  )

  test('of exactly 1024 bytes is the longest', () => {
    expect(parseResource(`x:${'é'.repeat(511)}`).resourceId).toHaveLength(513)
  })

  test('in canonical form reads as itself', () => {
    fc.assert(
      fc.property(oddId, (written) => {
        const parsed = attempt(() => parseResource(written))
        if (parsed === undefined) return
        expect(parseResource(parsed.resourceId)).toEqual({ resourceId: parsed.resourceId, scope: 'node' })
      }),
    )
  })

  test('has a type: what stands before its first colon', () => {
    expect(['x:a:b', 'file:', 'a/b:c'].map(typeOf)).toEqual(['x', 'file', 'a/b'])
  })
})

describe('ancestors', () => {
  test.each([
    ['x:a/b/c', ['x:a/b', 'x:a', 'x:']],
    ['x:a', ['x:']],
    ['x:', []],
    ['x:/', ['x:']],
    ['x:/a', ['x:']],
    ['x://a', ['x:/', 'x:']],
    ['x:a//b', ['x:a/', 'x:a', 'x:']],
    ['x:a/', ['x:a', 'x:']],
    ['x:a:b/c', ['x:a:b', 'x:']],
    ['x:a:', ['x:']],
    ['a/b:c/d', ['a/b:c', 'a/b:']],
    ['x:日本/🦊', ['x:日本', 'x:']],
  ])('of %j are %j, nearest first', (id, expected) => {
    expect(ancestorsOf(id)).toEqual(expected)
  })

  test('of an id are exactly the ids that it is under', () => {
    fc.assert(
      fc.property(canonicalId, canonicalId, (a, b) => {
        expect(isUnder(a, b)).toBe(ancestorsOf(a).includes(b))
        for (const ancestor of ancestorsOf(a)) expect(isUnder(a, ancestor)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('are ids in canonical form, each under the next', () => {
    fc.assert(
      fc.property(canonicalId, (id) => {
        const line = [id, ...ancestorsOf(id)]
        line.slice(1).forEach((ancestor, index) => expect(isUnder(line[index] ?? '', ancestor)).toBe(true))
        expect(line.at(-1)).toBe(`${typeOf(id)}:`)
      }),
    )
  })

  test('share no prefix with a neighbour whose name begins alike', () => {
    expect(isUnder('x:ab', 'x:a')).toBe(false)
    expect(isUnder('xy:a', 'x:')).toBe(false)
    expect(isUnder('x:a', 'x:a')).toBe(false)
    expect(prefixUnder('x:a:')).toBe('x:a:/')
    expect(prefixUnder('x:')).toBe('x:')
  })
})

describe('the text of a claim', () => {
  test.each([
    ['x:a', 'node', 'x:a'],
    ['x:a', 'tree', 'x:a/**'],
    ['x:', 'tree', 'x:**'],
    ['x:a:', 'tree', 'x:a:/**'],
  ] as const)('on %s as a %s is %s, which names it again', (resourceId, scope, text) => {
    expect(claimText({ resourceId, scope })).toBe(text)
    expect(parseResource(text)).toEqual({ resourceId, scope })
  })
})

describe('overlap', () => {
  test.each([
    ['x:a', 'x:a', true],
    ['x:a/**', 'x:a', true],
    ['x:a/**', 'x:a/b/c', true],
    ['x:**', 'x:/a', true],
    ['x:a/**', 'x:a/b/**', true],
    ['x:a', 'x:a/b', false],
    ['x:a', 'x:a/b/**', false],
    ['x:a/**', 'x:ab', false],
    ['x:a/**', 'y:a/b', false],
    ['x:a/b/**', 'x:a/c/**', false],
  ])('of %j and %j, both exclusive, is a conflict: %s', (a, b, expected) => {
    expect(conflicts(claim(a), claim(b))).toBe(expected)
    expect(conflicts(claim(b), claim(a))).toBe(expected)
    expect(conflicts(claim(a, 'shared'), claim(b))).toBe(expected)
    expect(conflicts(claim(a, 'shared'), claim(b, 'shared'))).toBe(false)
  })

  test('is covered by a lease only where its mode and its scope suffice', () => {
    expect(covers(claim('x:a/**'), claim('x:a/b'))).toBe(true)
    expect(covers(claim('x:a/**', 'shared'), claim('x:a/b'))).toBe(false)
    expect(covers(claim('x:a/**', 'shared'), claim('x:a/b', 'shared'))).toBe(true)
    expect(covers(claim('x:a'), claim('x:a/**'))).toBe(false)
    expect(reachesOver(claim('x:a'), claim('x:a', 'shared'))).toBe(true)
  })

  test('is symmetric, and follows from one claim reaching over the other', () => {
    fc.assert(
      fc.property(canonicalId, canonicalId, fc.boolean(), fc.boolean(), (a, b, aTree, bTree) => {
        const one: Claim = { resourceId: a, mode: 'exclusive', scope: aTree ? 'tree' : 'node' }
        const two: Claim = { resourceId: b, mode: 'exclusive', scope: bTree ? 'tree' : 'node' }
        expect(conflicts(one, two)).toBe(conflicts(two, one))
        expect(conflicts(one, two)).toBe(
          a === b || (aTree && ancestorsOf(b).includes(a)) || (bTree && ancestorsOf(a).includes(b)),
        )
      }),
    )
  })
})

describe('a request', () => {
  test('takes a string, an object or a list of both, in the order given', () => {
    expect(parseClaims(['x:b', { resourceId: 'x:a', mode: 'shared' }, 'x:c/**'], 'exclusive')).toEqual([
      { resourceId: 'x:b', mode: 'exclusive', scope: 'node' },
      { resourceId: 'x:a', mode: 'shared', scope: 'node' },
      { resourceId: 'x:c', mode: 'exclusive', scope: 'tree' },
    ])
    expect(parseClaims('x:a', 'shared')).toEqual([{ resourceId: 'x:a', mode: 'shared', scope: 'node' }])
    expect(parseClaims({ resourceId: 'x:a', scope: 'tree' }, 'shared')).toEqual(parseClaims('x:a/**', 'shared'))
  })

  test('merges equal claims, and of a shared and an exclusive one keeps the exclusive', () => {
    const exclusive: Claim[] = [{ resourceId: 'file:a', mode: 'exclusive', scope: 'node' }]
    expect(parseClaims(['file:a', { resourceId: 'file:./a', mode: 'shared' }], 'exclusive')).toEqual(exclusive)
    expect(parseClaims([{ resourceId: 'file:./a', mode: 'shared' }, 'file:a'], 'exclusive')).toEqual(exclusive)
  })

  test('leaves out what a tree claim on the same resource gives anyway, and nothing else', () => {
    expect(parseClaims(['x:a', 'x:a/**'], 'shared').map(({ scope }) => scope)).toEqual(['tree'])
    expect(parseClaims(['x:a/b', 'x:a/**'], 'shared')).toHaveLength(2)
    expect(parseClaims(['x:a', { resourceId: 'x:a/**', mode: 'shared' }], 'exclusive')).toHaveLength(2)
  })

  test('has 1 to 128 resources', () => {
    const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `x:${index}`)
    expect(parseClaims(many(128), 'shared')).toHaveLength(128)
    expect(() => parseClaims(many(129), 'shared')).toThrow('limit is 128')
    expect(() => parseClaims([], 'shared')).toThrow('1 to 128')
  })

  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  test.each<[string, unknown, string]>([
    ['a number', 7, 'is not a resource'],
    ['null', null, 'is not a resource'],
    ['an object without an id', {}, 'is not a resource'],
    ['a circular object', circular, 'is not a resource'],
    ['a number beyond JSON', { resourceId: 7n }, 'is not a resource'],
    ['a property nobody knows', { resourceId: 'x:a', ttl: 1 }, "'ttl'"],
    ['a mode nobody knows', { resourceId: 'x:a', mode: 'write' }, "'write' is not a mode"],
    ['a scope nobody knows', { resourceId: 'x:a', scope: 'all' }, "'all' is not a scope"],
    ['a tree that is said to be a node', { resourceId: 'x:a/**', scope: 'node' }, 'leave one of the two out'],
  ])('refuses %s', (_what, input, why) => {
    expect(() => parseClaims(input as ResourceInput, 'exclusive')).toThrow(why)
    expect(codeOf(() => parseClaims(input as ResourceInput, 'exclusive'))).toBe('INVALID')
  })
})

const segment = fc.constantFrom('', '', 'a', 'b', 'ab', '.', '..', '*', '**', ':', '🦊', ' ')
const path = fc.array(segment, { maxLength: 5 }).map((segments) => segments.join('/'))
const oddId = fc.oneof(
  fc.tuple(fc.constantFrom('x:', 'x:', 'file:', 'a/b:', ''), path).map(([type, rest]) => type + rest),
  fc.string({ unit: 'binary', maxLength: 12 }),
)
const canonicalId = oddId
  .map((written) => attempt(() => parseResource(written))?.resourceId)
  .filter((id): id is string => id !== undefined)

function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}

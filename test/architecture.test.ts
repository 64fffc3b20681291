import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type ImportRule,
  importCycles,
  importViolations,
  longerThan,
  silencingComments,
  tracesOfMachine,
  vaguelyNamed,
} from './support/architecture.ts'
import { keptFiles, readSources, root } from './support/repository.ts'

/** A source file of more lines is two files. */
const maxLines = 330

/** Who may import what inside src; whatever is not listed is forbidden, and a new folder needs a line here. */
const importRules: readonly ImportRule[] = [
  { files: 'index.ts', may: ['core/', 'open.ts', 'stores/*/index.ts'] },
  { files: 'open.ts', may: ['core/', 'dynamic stores/*/index.ts', 'dynamic client/index.ts'] },
  // From the bottom to the top: who is above may use who is below. The vocabulary lies in core itself; its manager and
  // agent are the roof.
  { files: 'core/', may: ['core/*.ts', 'node:'] },
  { files: 'core/resource/', may: ['core/resource/'] },
  { files: 'core/time/', may: ['core/time/'] },
  { files: 'core/table/', may: ['core/table/', 'core/resource/'] },
  { files: 'core/reporting/', may: ['core/reporting/', 'core/resource/'] },
  { files: 'core/reporting/metrics.ts', may: ['prom-client'] },
  { files: 'core/session/', may: ['core/session/', 'core/reporting/', 'core/time/'] },
  { files: 'core/lock/', may: ['core/lock/', 'core/session/', 'core/resource/', 'core/time/'] },
  {
    files: 'core/inspection/',
    may: ['core/inspection/', 'core/lock/request.ts', 'core/session/', 'core/resource/', 'core/time/'],
  },
  { files: 'core/patterns/', may: ['core/patterns/', 'core/resource/', 'core/time/', 'core/disk/'] },
  { files: 'core/*.ts', may: ['core/'] },
  { files: 'stores/', may: ['core/', 'node:'] },
  { files: 'stores/memory/', may: ['stores/memory/', 'sorted-btree'] },
  { files: 'stores/sqlite/', may: ['stores/sqlite/'] },
  { files: 'stores/redis/', may: ['stores/redis/', 'dynamic ioredis'] },
  { files: 'stores/postgres/', may: ['stores/postgres/', 'dynamic pg'] },
  { files: 'stores/etcd/', may: ['stores/etcd/'] },
  { files: 'testing/', may: ['testing/', 'core/', 'node:', 'type fast-check'] },
  { files: 'testing/test-tools.ts', may: ['dynamic vitest', 'dynamic fast-check'] },
  { files: 'api/', may: ['api/', 'type core/', 'zod'] },
  ...['client', 'server', 'mcp', 'cli', 'guard'].map((folder) => ({
    files: `${folder}/`,
    may: [`${folder}/`, 'api/', 'core/', 'open.ts', 'node:'],
  })),
  { files: 'cli/', may: ['commander'] },
]

describe('the sources', () => {
  const sources = readSources('src')

  test('are found', () => {
    expect([...sources.keys()]).toContain('index.ts')
  })

  test('import only what the rules allow', () => {
    expect(importViolations(sources, importRules)).toEqual([])
  })

  test('have no cycles', () => {
    expect(importCycles(sources)).toEqual([])
  })

  test(`have at most ${maxLines} lines a file`, () => {
    expect(longerThan(maxLines, sources)).toEqual([])
  })

  test('silence neither the compiler nor the linter', () => {
    expect(silencingComments(sources)).toEqual([])
  })
})

describe('the repository', () => {
  const kept = keptFiles()

  test('names every file and folder by what it holds', () => {
    expect(vaguelyNamed(kept)).toEqual([])
  })

  test('holds no path of a machine and no host of a registry', () => {
    const traces = kept.flatMap((path) => tracesOfMachine(path, readFileSync(join(root, path), 'utf8')))
    expect(traces).toEqual([])
  })
})

describe('the checker', () => {
  const store = 'stores/memory/store.ts'
  const violationsOf = (path: string, text: string): readonly string[] => {
    const others = ['core/model.ts', 'stores/memory/index.ts', 'stores/redis/index.ts', 'open.ts']
    return importViolations(new Map([...others.map((other) => [other, ''] as const), [path, text]]), importRules)
  }

  test.each([
    ['a static import', store, `import { redisStore } from '../redis/index.ts'`],
    ['a type-only import', store, `import type { RedisStore } from '../redis/index.ts'`],
    ['an inline type import', store, `import { type RedisStore } from '../redis/index.ts'`],
    ['an import for its effects', store, `import '../redis/index.ts'`],
    ['an import spread over lines', store, `import {\n  a, // from 'b'\n  type C,\n} from\n  '../redis/index.ts'`],
    ['a dynamic import', store, `export const load = () => import('../redis/index.ts')`],
    ['a dynamic import of a template', store, 'export const load = () => import(`../redis/index.ts`)'],
    ['an import type expression', store, `export type R = import('../redis/index.ts').RedisStore`],
    ['a re-export of everything', store, `export * from '../redis/index.ts'`],
    ['a re-export under a name', store, `export { redisStore as r } from '../redis/index.ts'`],
    ['a re-export of types', store, `export type { RedisStore } from '../redis/index.ts'`],
    ['a require', store, `require('../redis/index.ts')`],
    ['a package', 'core/lease.ts', `import { Redis } from 'ioredis'`],
    ['a package that another file may import', 'core/lease.ts', `import { Counter } from 'prom-client'`],
    ['a file of a package', 'core/lease.ts', `import { x } from '@scope/name/file.js'`],
    ['a builtin without its prefix', 'core/lease.ts', `import { readFile } from 'fs'`],
    ['an upper layer', 'core/lease.ts', `import { open } from '../open.ts'`],
    ['a static import where only a dynamic one is allowed', 'open.ts', `import * as m from './stores/memory/index.ts'`],
    ['a value where only types are allowed', 'api/lock.ts', `import { model } from '../core/model.ts'`],
    ['a computed name', store, `export const load = (name: string) => import(name)`],
    ['a file outside the sources', 'core/lease.ts', `import pkg from '../../package.json' with { type: 'json' }`],
    ['a file that does not exist', 'core/lease.ts', `import { a } from './absent.ts'`],
    ['anything from a folder without a rule', 'attic/store.ts', ``],
  ])('sees %s', (_, path, text) => {
    expect(violationsOf(path, text)).toHaveLength(1)
  })

  test.each([
    ['core/lease.ts', `import { hash } from 'node:crypto'\nimport type { Claim } from './model.ts'`],
    ['core/reporting/metrics.ts', `import { Counter } from 'prom-client'`],
    ['stores/memory/table.ts', `import BTree from 'sorted-btree'\nexport * from './index.ts'`],
    ['open.ts', `export const load = () => import('./stores/redis/index.ts')`],
    ['api/lock.ts', `import type { Claim } from '../core/model.ts'`],
    ['core/lease.ts', `// import '../open.ts'\nexport const text = "import '../open.ts'"`],
  ])('leaves %s alone: %s', (path, text) => {
    expect(violationsOf(path, text)).toEqual([])
  })

  test('refuses a source that does not parse', () => {
    expect(() => violationsOf(store, 'import {')).toThrow(/does not parse/)
  })

  test('sees a cycle, also one of types only', () => {
    const sources = new Map([
      ['a.ts', `import type { B } from './b.ts'`],
      ['b.ts', `export * from './deep/c.ts'`],
      ['deep/c.ts', `export const load = () => import('../a.ts')`],
      ['d.ts', `import './a.ts'\nimport './b.ts'`],
    ])
    expect(importCycles(sources)).toEqual(['a.ts → b.ts → deep/c.ts → a.ts'])
  })

  test('sees a file that is too long', () => {
    const lines = (count: number): string => 'x\n'.repeat(count)
    const sources = new Map([
      ['short.ts', lines(maxLines)],
      ['long.ts', lines(maxLines + 1)],
    ])
    expect(longerThan(maxLines, sources)).toEqual([`long.ts: ${maxLines + 1} lines`])
  })

  test.each([
    '// @ts-ignore',
    '/* @ts-expect-error */',
    '// @ts-nocheck',
    '/* oxlint-disable */',
    '// eslint-disable-next-line x',
  ])('sees %s', (comment) => {
    expect(silencingComments(new Map([['a.ts', `${comment}\nexport const a = 1`]]))).toHaveLength(1)
  })

  test('leaves a silencing word inside a string or a sentence alone', () => {
    const source = `export const a = '// @ts-ignore' // says @ts-ignore`
    expect(silencingComments(new Map([['a.ts', source]]))).toEqual([])
  })

  test.each(['src/utils.ts', 'src/lib/table.ts', 'test/Helpers/a.ts', 'a/common', 'misc.test.ts', 'lib.d.ts'])(
    'sees the name %s',
    (path) => {
      expect(vaguelyNamed([path])).toEqual([path])
    },
  )

  test('leaves a name alone that only contains such a word', () => {
    expect(vaguelyNamed(['src/library.ts', 'docs/commonplace.md', 'test/support/a.ts'])).toEqual([])
  })

  test.each([
    `at ${['', 'home', 'jane', 'holdfast'].join('/')}`,
    `"${['', 'root', '.npmrc'].join('/')}"`,
    ['C:', 'Users', 'jane'].join('\\'),
    `from ${['registry', 'npmjs', 'org'].join('.')}`,
    ['"resolved"', '"https://mirror.example/a.tgz"'].join(': '),
  ])('sees the trace %s', (text) => {
    expect(tracesOfMachine('a.txt', text)).toHaveLength(1)
  })

  test('leaves paths alone that belong to no machine', () => {
    const text = 'https://example.org/home/page.html ./work/item file:src/root/a.ts /usr/sbin/policy-rc.d'
    expect(tracesOfMachine('a.txt', text)).toEqual([])
  })
})

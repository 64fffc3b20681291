import { posix } from 'node:path'
import { type Import, type ImportKind, type ParsedFile, parseFile } from './imports.ts'

/** Path below the root that the rules speak of, with `/`, to the file's text. */
export type Sources = ReadonlyMap<string, string>

/**
 * `files`: a folder (`core/`) or one file (`core/metrics.ts`); a file may import what any rule that covers it allows.
 * `may`: a folder, a file, `*` for one path segment, a package, or `node:` for every builtin;
 * `type ` before it allows types only, `dynamic ` allows `import()` and types.
 */
export interface ImportRule {
  readonly files: string
  readonly may: readonly string[]
}

export function importViolations(sources: Sources, rules: readonly ImportRule[]): readonly string[] {
  const violations: string[] = []
  for (const [path, text] of sources) {
    const covering = rules.filter((rule) => covers(rule.files, path))
    if (covering.length === 0) violations.push(`${path}: no rule says what it may import`)
    const allowed = covering.flatMap((rule) => rule.may)
    for (const found of parseFile(path, text).imports) {
      const problem = problemOf(found, path, sources, allowed)
      if (problem) violations.push(`${path}: ${problem}`)
    }
  }
  return violations
}

function problemOf(found: Import, path: string, sources: Sources, allowed: readonly string[]): string | null {
  if (found.from === null) return 'imports a computed name, which no rule can check'
  const target = targetOf(path, found.from)
  if (isRelative(found.from) && !sources.has(target)) return `imports ${found.from}, which is no source file`
  if (allowed.some((entry) => allows(entry, found.kind, target))) return null
  return `must not import ${target} (${found.kind})`
}

function allows(entry: string, kind: ImportKind, target: string): boolean {
  const [, limit, name] = /^(?:(type|dynamic) )?(.*)$/.exec(entry) ?? []
  if (limit === 'type' && kind !== 'type') return false
  if (limit === 'dynamic' && kind === 'static') return false
  return covers(name ?? '', target)
}

function covers(pattern: string, path: string): boolean {
  const escaped = pattern.replaceAll(/[.+^$()[\]{}|\\]/g, String.raw`\$&`).replaceAll('*', '[^/]+')
  return new RegExp(/[/:]$/.test(pattern) ? `^${escaped}` : `^${escaped}$`).test(path)
}

function isRelative(from: string): boolean {
  return from.startsWith('.')
}

function targetOf(path: string, from: string): string {
  if (isRelative(from)) return posix.join(posix.dirname(path), from)
  if (from.startsWith('node:')) return from
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Each cycle once, as the files on it; types count too, for two files that need each other are one thought cut in two. */
export function importCycles(sources: Sources): readonly string[] {
  const edges = new Map([...sources].map(([path, text]) => [path, targetsOf(path, parseFile(path, text))]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (done.has(path) || trail.includes(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of sources.keys()) visit(path, [])
  return cycles
}

function targetsOf(path: string, file: ParsedFile): ReadonlySet<string> {
  const names = file.imports.flatMap(({ from }) => (from !== null && isRelative(from) ? [targetOf(path, from)] : []))
  return new Set(names)
}

const vagueNames = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'lib', 'misc'])

export function vaguelyNamed(paths: readonly string[]): readonly string[] {
  return paths.filter((path) =>
    path.split('/').some((name) => vagueNames.has(name.replace(/^\./, '').split('.', 1)[0]?.toLowerCase() ?? '')),
  )
}

export function longerThan(limit: number, sources: Sources): readonly string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.replace(/\n$/, '').split('\n').length
    return lines > limit ? [`${path}: ${lines} lines`] : []
  })
}

const silencing = /^(?:\/\s*)?(?:@ts-(?:ignore|nocheck|expect-error)|(?:oxlint|eslint|tslint)-disable)/

export function silencingComments(sources: Sources): readonly string[] {
  return [...sources].flatMap(([path, text]) =>
    parseFile(path, text)
      .comments.filter((comment) => silencing.test(comment.replace(/^\*\s*/, '')))
      .map((comment) => `${path}: ${comment}`),
  )
}

const machineTraces = [
  /(?<![\w.~@%}:/-])\/(?:root|home|Users|work|workspaces?|builds)\/[\w.-]+/g,
  /\b[A-Z]:\\Users\\\w+/g,
  /\bregistry\.(?:npmjs\.org|yarnpkg\.com|npmmirror\.com)/g,
  /"resolved": "https?:[^"]+"/g,
]

/** Paths and hosts that are true on one machine only. */
export function tracesOfMachine(path: string, text: string): readonly string[] {
  return machineTraces.flatMap((trace) => [...text.matchAll(trace)].map(([found]) => `${path}: ${found}`))
}

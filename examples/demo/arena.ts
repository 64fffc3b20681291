import { globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { type Edit, isMarker, markerOf } from './edit.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

/** A file as it was before anybody edited it. */
export interface Original {
  /** Below the repository, and below the folder that it is copied to, with `/`. */
  readonly path: string
  readonly text: string
}

/** What is in the files in the end. */
export interface Count {
  /** Edits that were reported as done and are not there, or not in each of their files, or twice. */
  readonly lost: readonly Edit[]
  /** Edits that are there although nobody reported them as done. */
  readonly unreported: number
  /** Files whose original lines are not all there, in order. */
  readonly broken: readonly string[]
  /** How many original lines are missing in them. */
  readonly linesLost: number
}

/** Real sources of this repository: the longest ones, for an edit of a long file has more to lose. */
export function chooseOriginals(count: number): readonly Original[] {
  const found = globSync('src/core/**/*.ts', { cwd: REPOSITORY }).map((path) => ({
    path: path.split(sep).join('/'),
    text: readFileSync(join(REPOSITORY, path), 'utf8'),
  }))
  const longest = found.toSorted((a, b) => b.text.length - a.text.length || a.path.localeCompare(b.path))
  return longest.slice(0, count).toSorted((a, b) => a.path.localeCompare(b.path))
}

export async function copyTo(root: string, originals: readonly Original[]): Promise<void> {
  for (const { path, text } of originals) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}

export async function countEdits(root: string, originals: readonly Original[], made: readonly Edit[]): Promise<Count> {
  const texts = await Promise.all(
    originals.map(async ({ path }) => [path, await readFile(join(root, path), 'utf8')] as const),
  )
  return compare(originals, new Map(texts), made)
}

/** @param texts path to what the file holds now */
export function compare(
  originals: readonly Original[],
  texts: ReadonlyMap<string, string>,
  made: readonly Edit[],
): Count {
  const linesOf = (path: string): readonly string[] => texts.get(path)?.split('\n') ?? []
  const markers = new Map(originals.map(({ path }) => [path, linesOf(path).filter(isMarker)]))
  const isThere = (edit: Edit): boolean =>
    edit.files.every((path) => markers.get(path)?.filter((marker) => marker === markerOf(edit)).length === 1)
  const reported = new Set(made.map(markerOf))
  const unreported = new Set([...markers.values()].flat().filter((marker) => !reported.has(marker)))
  const rest = (path: string): readonly string[] => linesOf(path).filter((line) => !isMarker(line))
  return {
    lost: made.filter((edit) => !isThere(edit)),
    unreported: unreported.size,
    broken: originals.filter(({ path, text }) => rest(path).join('\n') !== text).map(({ path }) => path),
    linesLost: originals.reduce((sum, { path, text }) => sum + missing(text.split('\n'), rest(path)), 0),
  }
}

function missing(wanted: readonly string[], found: readonly string[]): number {
  const left = new Map<string, number>()
  for (const line of found) left.set(line, (left.get(line) ?? 0) + 1)
  let count = 0
  for (const line of wanted) {
    const times = left.get(line) ?? 0
    if (times === 0) count += 1
    else left.set(line, times - 1)
  }
  return count
}

import { readFileSync, writeFileSync } from 'node:fs'

const PATH = new URL('../docs/benchmarks.md', import.meta.url)

/** Replaces what stands between the markers of a section in docs/benchmarks.md. */
export function writeToDocument(section: string, text: string): void {
  const [start, end] = [`<!-- bench:${section} -->`, `<!-- /bench:${section} -->`]
  const document = readFileSync(PATH, 'utf8')
  const [from, to] = [document.indexOf(start), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no markers ${start} … ${end}.`)
  writeFileSync(PATH, `${document.slice(0, from + start.length)}\n\n${text}\n\n${document.slice(to)}`)
}

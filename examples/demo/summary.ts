import { styleText } from 'node:util'
import { seconds } from './picture.ts'
import type { Result } from './run.ts'

/** How many lost edits are named one by one. */
const NAMED = 8

/** Whether every edit that was reported is there, nothing else was harmed, and everybody finished. */
export function isFlawless({ lost, broken, unfinished }: Result): boolean {
  return lost.length === 0 && broken.length === 0 && unfinished.length === 0
}

/** The outcome of one run in a sentence or two. */
export function verdict(result: Result): readonly string[] {
  const { made, lost, linesLost, broken, unfinished, unreported } = result
  const lines = unfinished.map(({ agentId, problem }) => bad(`${agentId} did not finish: ${problem}`))
  // Neither lost nor made: its agent ended between writing it and saying so.
  if (unreported > 0) lines.push(`    Not counted: ${unreported} in the files that nobody has reported as done.`)
  if (isFlawless(result)) {
    lines.push(good(`${made.length} edits made, and all of them are in the files.`))
    return lines
  }
  if (lost.length > 0) {
    lines.push(bad(`${made.length} edits made, and ${lost.length} of them are lost:`))
    lines.push(
      '    where two agents had read the same text, the later one wrote over what the earlier one had written.',
    )
  }
  if (linesLost > 0) {
    lines.push(bad(`${linesLost} lines that were in the files before are gone, too:`))
    lines.push('    they were caught between two agents, one reading or writing the file while the other wrote it.')
  }
  if (linesLost === 0 && broken.length > 0)
    lines.push(bad(`The original lines are out of order in ${broken.join(', ')}.`))
  return lines
}

/** What was lost, by name. */
export function losses({ lost, broken }: Result): readonly string[] {
  const edits = lost.map(({ agentId, number, files }) => `edit ${number} of ${agentId} in ${files.join(' and ')}`)
  const more = edits.length > NAMED ? [`… and ${edits.length - NAMED} more edits`] : []
  return [...edits.slice(0, NAMED), ...more, ...broken.map((path) => `original lines of ${path}`)]
}

type Row = readonly [label: string, ...values: string[]]

/** Both runs side by side. */
export function table(without: Result, withLocks: Result): readonly string[] {
  const columns = [without, withLocks]
  const row = (label: string, value: (result: Result) => string): Row => [label, ...columns.map(value)]
  const rows: readonly Row[] = [
    ['', 'without locks', 'with locks'],
    row('edits made', ({ made }) => String(made.length)),
    row('edits kept', ({ made, lost }) => String(made.length - lost.length)),
    row('edits lost', ({ lost, made }) => share(lost.length, made.length)),
    row('original lines lost', ({ linesLost }) => String(linesLost)),
    row('locks granted', ({ figures }) => atLeast(figures?.grants, figures?.isIncomplete)),
    row('handed over in line', ({ figures }) => atLeast(figures?.handOvers, figures?.isIncomplete)),
    row('leases run out', ({ figures }) => atLeast(figures?.expired, figures?.isIncomplete)),
    row('longest wait', ({ figures }) => (figures === undefined ? '-' : seconds(figures.longestWaitMs))),
    row('time', ({ tookMs }) => seconds(tookMs)),
  ]
  return rows.map(([label, ...values], index) => {
    const line = `  ${label.padEnd(22)}${values.map((value) => value.padStart(16)).join('')}`
    return index === 0 ? styleText('dim', line) : line
  })
}

function share(part: number, whole: number): string {
  return part === 0 || whole === 0 ? String(part) : `${part} (${Math.round((100 * part) / whole)} %)`
}

function atLeast(count: number | undefined, isIncomplete = false): string {
  return count === undefined ? '-' : `${isIncomplete ? 'at least ' : ''}${count}`
}

export function good(text: string): string {
  return `  ${styleText('green', '✓')} ${text}`
}

export function bad(text: string): string {
  return `  ${styleText('red', '✗')} ${text}`
}

import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Text in a colour, where somebody sees colours. */
export function paint(style: Style, text: string): string {
  const { NO_COLOR: none } = process.env
  const isWanted = process.stdout.isTTY && (none === undefined || none === '')
  return isWanted ? styleText(style, text, { validateStream: false }) : text
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One JSON value; on one line unless a person looks at it. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, process.stdout.isTTY ? 2 : 0))
}

/** Columns as wide as they must be, below their names. What others wrote cannot steer the terminal. */
export function printTable(names: readonly string[], rows: readonly (readonly string[])[]): void {
  const cells = rows.map((row) => row.map(plain))
  const widths = names.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  print(paint('bold', line(names)))
  for (const row of cells) print(line(row))
}

/** Without control characters: an agent's name or reason is anybody's text. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
}

/** What one group of measurements found. */
export interface Section {
  /** Names the section on the command line and in the markers of docs/benchmarks.md. */
  readonly id: SectionId
  readonly tables: readonly Table[]
  readonly aims: readonly Aim[]
}

export const SECTIONS = ['memory', 'sqlite', 'steps', 'redis', 'postgres'] as const
export type SectionId = (typeof SECTIONS)[number]

export interface Table {
  readonly title: string
  /** The first names the row. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

/** A figure that is wanted, and whether it was reached in this run. */
export interface Aim {
  readonly what: string
  readonly limit: number
  readonly is: 'at most' | 'at least'
  readonly measured: number
  readonly unit: string
}

function isMet({ limit, is, measured }: Aim): boolean {
  return is === 'at most' ? measured <= limit : measured >= limit
}

/** The tables of a section as Markdown, which reads well on a terminal too. */
export function asMarkdown({ tables, aims }: Section): string {
  const aimed: Table = {
    title: 'Aims',
    columns: ['', 'aim', 'measured', ''],
    rows: aims.map((aim) => [
      aim.what,
      `${aim.is} ${format(aim.limit)}${aim.unit}`,
      `${format(aim.measured)}${aim.unit}`,
      isMet(aim) ? 'reached' : '**missed**',
    ]),
  }
  return [...tables, ...(aims.length > 0 ? [aimed] : [])].map(tableAsMarkdown).join('\n\n')
}

function tableAsMarkdown({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => (typeof cell === 'number' ? format(cell) : cell)))
  const widths = columns.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const isRight = columns.map((_, column) => column > 0 && rows.some((row) => typeof row[column] === 'number'))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (isRight[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => `${'-'.repeat(width + 1)}${isRight[column] === true ? ':' : '-'}`).join('|')}|`
  const [head = [], ...body] = cells
  return [`**${title}**`, '', line(head), rule, ...body.map(line)].join('\n')
}

/** Three digits that count; thousands apart. */
function format(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value >= 1000)
    return Number(value.toPrecision(3))
      .toFixed(0)
      .replace(/\B(?=(\d{3})+$)/gu, ' ')
  return Number(value.toPrecision(value >= 1 ? 3 : 2)).toString()
}

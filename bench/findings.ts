import type { Aim, Table } from './report.ts'

/** What a part of a section found. */
export interface Findings {
  readonly tables: readonly Table[]
  readonly aims: readonly Aim[]
}

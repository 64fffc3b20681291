import type { Aim, Table } from '../report.ts'
import type { Workers } from '../workers.ts'

export const PROCESSES = 4

/** What each part of the SQLite benchmarks works with. */
export interface Bench {
  readonly workers: Workers
  readonly folder: string
  readonly quick: boolean
}

export interface Findings {
  readonly tables: readonly Table[]
  readonly aims: readonly Aim[]
}

import type { Workers } from '../workers.ts'
import type { Tasks } from './tasks.ts'

export const PROCESSES = 4

/** What each part of the SQLite benchmarks works with. */
export interface Bench {
  readonly workers: Workers<Tasks>
  readonly folder: string
  readonly quick: boolean
}

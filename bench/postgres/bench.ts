import type { Pool } from 'pg'
import type { Workers } from '../workers.ts'
import type { Tasks } from './tasks.ts'

export const PROCESSES = 4

/** What each part of the Postgres benchmarks works with. */
export interface Bench {
  readonly url: string
  readonly admin: Pool
  readonly workers: Workers<Tasks>
  readonly quick: boolean
}

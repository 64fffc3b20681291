import type { Redis } from 'ioredis'
import type { Workers } from '../workers.ts'
import type { Tasks } from './tasks.ts'

export const PROCESSES = 4

/** What each part of the Redis benchmarks works with. */
export interface Bench {
  readonly port: number
  readonly admin: Redis
  readonly workers: Workers<Tasks>
  readonly quick: boolean
}

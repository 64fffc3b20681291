import type { Fault } from './fault.ts'

export const STORES = ['sqlite', 'redis', 'redis-aof', 'redis-sentinel', 'postgres'] as const

export type StoreName = (typeof STORES)[number]

/** A store that runs, and what can be done to it. */
export interface Ground {
  /** In words, for the report. */
  readonly description: string
  /** How workers reach it: through whatever stands in the way. */
  readonly workerUrl: string
  /** How the runner reaches it. */
  readonly runnerUrl: string
  readonly faults: readonly Fault[]
  stop(): Promise<void>
}

/** Starts a store with nothing in it. Its files are made in the folder. */
export async function openGround(store: StoreName, folder: string): Promise<Ground> {
  switch (store) {
    case 'sqlite': {
      const { sqliteGround } = await import('./sqlite-ground.ts')
      return sqliteGround(folder)
    }
    case 'redis':
    case 'redis-aof': {
      const { redisGround } = await import('./redis-ground.ts')
      return redisGround(store === 'redis-aof')
    }
    case 'redis-sentinel': {
      const { sentinelGround } = await import('./sentinel-ground.ts')
      return sentinelGround()
    }
    case 'postgres': {
      const { postgresGround } = await import('./postgres-ground.ts')
      return postgresGround()
    }
  }
}

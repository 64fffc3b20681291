import { parentPort } from 'node:worker_threads'
import { type PlanOptions, planOf } from './planning.ts'
import { simulate } from './simulation.ts'
import type { Violation } from './verdict.ts'

/** Seeds to play, in order. */
export interface Order extends PlanOptions {
  readonly seeds: readonly number[]
}

/** What came of one seed. */
export interface Played {
  readonly seed: number
  readonly violation: Violation | undefined
  readonly hash: string
  readonly happened: number
  readonly executions: number
  readonly acquired: number
}

/** Plays the seeds of each order, and answers with all of them. */
async function serve({ seeds, ...options }: Order): Promise<void> {
  const played: Played[] = []
  for (const seed of seeds) {
    const { violation, hash, happened, executions, acquired } = await simulate(planOf(seed, options))
    played.push({ seed, violation, hash, happened, executions, acquired })
  }
  parentPort?.postMessage(played, [])
}

// Nobody reads the stacks of the many errors that are part of the play, and they cost time.
Error.stackTraceLimit = 0

parentPort?.on('message', (order: Order) => void serve(order))

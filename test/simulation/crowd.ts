import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { PlanOptions } from './planning.ts'
import type { Violation } from './verdict.ts'
import type { Order, Played } from './worker.ts'

/** Many seeds to be played by several threads. */
export interface Crowd extends PlanOptions {
  readonly from: number
  readonly seeds: number
  /** Default: as many as there are processors. */
  readonly workers?: number | undefined
  /** Gives up after so many failures. */
  readonly stopAfter: number
}

export interface Summary {
  readonly played: number
  readonly failures: readonly { readonly seed: number; readonly violation: Violation }[]
  readonly batches: number
  readonly acquired: number
  readonly seconds: number
  /** The same for the same seeds, however many threads there were. */
  readonly hash: string
}

const SEEDS_PER_ORDER = 50

const TELL_EVERY_MS = 10_000

/** Plays all seeds, and tells now and then how far it has come. */
export async function playAll(crowd: Crowd, tell: (text: string) => void): Promise<Summary> {
  const { from, seeds, workers = availableParallelism(), stopAfter, ...options } = crowd
  const started = performance.now()
  const sum = { played: 0, batches: 0, acquired: 0, hash: 0 }
  const failures: { seed: number; violation: Violation }[] = []
  let next = 0
  let told = started
  const order = (): Order | undefined => {
    const count = Math.min(SEEDS_PER_ORDER, seeds - next)
    if (count <= 0 || failures.length >= stopAfter) return undefined
    const first = from + next
    next += count
    return { ...options, seeds: Array.from({ length: count }, (_, index) => first + index) }
  }
  const collect = (played: readonly Played[]): void => {
    for (const { seed, violation, hash, executions, acquired } of played) {
      sum.played += 1
      sum.batches += executions
      sum.acquired += acquired
      sum.hash = (sum.hash + Number.parseInt(hash, 16)) >>> 0
      if (violation === undefined) continue
      failures.push({ seed, violation })
      tell(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
    }
    if (performance.now() - told < TELL_EVERY_MS) return
    told = performance.now()
    tell(`${sum.played} of ${seeds} seeds, ${failures.length} failed`)
  }
  await Promise.all(Array.from({ length: workers }, () => runWorker(order, collect)))
  const seconds = (performance.now() - started) / 1_000
  return { ...sum, failures, seconds, hash: sum.hash.toString(16).padStart(8, '0') }
}

/** Gives one thread an order after the other until there is none left. */
function runWorker(order: () => Order | undefined, collect: (played: readonly Played[]) => void): Promise<void> {
  const worker = new Worker(new URL('worker.ts', import.meta.url))
  return new Promise((resolve, reject) => {
    const go = (): void => {
      const next = order()
      if (next === undefined) void worker.terminate().then(() => resolve(), reject)
      else worker.postMessage(next, [])
    }
    worker.on('message', (played: Played[]) => {
      collect(played)
      go()
    })
    worker.on('error', reject)
    go()
  })
}

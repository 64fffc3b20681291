import { setTimeout as sleep } from 'node:timers/promises'
import { sum } from '../statistics.ts'
import type { Opened } from './contender.ts'

/** Who calls so much later than another may reach the server before him. */
const SIMULTANEOUS_MS = 2

export interface LineInput {
  readonly resource: string
  /** When the first arrives, on the machine's own clock. */
  readonly startMs: number
  /** When each arrives after that. */
  readonly arrivals: readonly number[]
  readonly holdMs: number
}

/** One turn of one waiter, by a clock that all processes share. */
export interface Turn {
  readonly arrivedAt: number
  readonly grantedAt: number
  readonly releasedAt: number
  readonly doneAt: number
}

/** Several callers, each of which takes the one resource once. */
export async function standInLine(contender: Opened, input: LineInput): Promise<Turn[]> {
  return Promise.all(
    input.arrivals.map(async (delayMs) => {
      await sleep(Math.max(0, input.startMs + delayMs - sharedMs()))
      const arrivedAt = sharedMs()
      const release = await contender.acquire(input.resource)
      const grantedAt = sharedMs()
      await sleep(input.holdMs)
      const releasedAt = sharedMs()
      await release()
      return { arrivedAt, grantedAt, releasedAt, doneAt: sharedMs() }
    }),
  )
}

/** The share of the arrivals for each process: one a millisecond, in turn. */
export function arrivalsOf(process: number, processes: number, waiters: number): number[] {
  return Array.from({ length: waiters }, (_, index) => index).filter((index) => index % processes === process)
}

/** Milliseconds on the machine's own clock. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** How a line was served. */
export interface Line {
  /** How long all of it took, by how long the resource was held. */
  readonly stretch: number
  /** From each release to the next grant, in milliseconds. */
  readonly gaps: readonly number[]
  /** The share of pairs that were served against the order of their arrival. */
  readonly inversions: number
}

/** @throws Error if two held the resource at the same time */
export function lineOf(turns: readonly Turn[]): Line {
  const served = turns.toSorted((a, b) => a.grantedAt - b.grantedAt)
  const gaps = served.slice(1).map((turn, index) => turn.grantedAt - (served[index]?.releasedAt ?? NaN))
  if (gaps.some((each) => each < 0)) throw new Error('two held the resource at the same time')
  const total = Math.max(...turns.map(({ doneAt }) => doneAt)) - Math.min(...turns.map(({ arrivedAt }) => arrivedAt))
  const held = sum(turns.map(({ grantedAt, releasedAt }) => releasedAt - grantedAt))
  return { stretch: total / held, gaps, inversions: inversionsOf(served.map(({ arrivedAt }) => arrivedAt)) }
}

function inversionsOf(order: readonly number[]): number {
  let inverted = 0
  for (const [index, one] of order.entries()) {
    for (const later of order.slice(index + 1)) if (later < one - SIMULTANEOUS_MS) inverted += 1
  }
  return inverted / ((order.length * (order.length - 1)) / 2)
}

import type { Findings } from '../findings.ts'
import { inRounds } from '../rounds.ts'
import { median } from '../statistics.ts'
import { type Bench, PROCESSES } from './bench.ts'
import type { Hammered, HammerInput } from './hammer.ts'

const CONTENDERS = {
  spin: 'no locks: what the machine itself does',
  floor: 'floor: raw transactions, SQLite waits',
  apart: 'holdfast, a resource each',
  hot: 'holdfast, one resource',
} as const satisfies Record<HammerInput['what'], string>

/** Who gets how much, and for how long event loops stand still, while four processes do nothing but lock. */
export async function benchHammering({ workers, quick }: Bench): Promise<Findings> {
  const [rounds, ms] = quick ? [1, 500] : [5, 1200]
  const hammering = (what: HammerInput['what']) => async (): Promise<Hammered[]> =>
    workers.some(PROCESSES, 'hammer', { what, ms })
  const names = Object.keys(CONTENDERS) as HammerInput['what'][]
  const entries = names.map((name) => [name, hammering(name)] as const)
  const results = await inRounds(
    Object.fromEntries(entries) as Record<HammerInput['what'], () => Promise<Hammered[]>>,
    rounds,
  )
  const sharesOf = (name: HammerInput['what']): number[] => results[name].map(leastShare)
  const stallsOf = (name: HammerInput['what']): number[] => results[name].map(longestStall)
  return {
    tables: [
      {
        title: 'Four processes that do nothing but lock',
        columns: ['', 'least / most served', 'worst round', 'longest stall of a round, ms', 'worst round, ms'],
        rows: names.map((name) => [
          CONTENDERS[name],
          median(sharesOf(name)),
          Math.min(...sharesOf(name)),
          median(stallsOf(name)),
          Math.max(...stallsOf(name)),
        ]),
      },
    ],
    aims: [
      {
        what: 'least / most served of 4 processes on one resource',
        limit: 0.6,
        is: 'at least',
        measured: median(sharesOf('hot')),
        unit: '',
      },
      {
        what: 'longest stall of an event loop, 4 processes',
        limit: 50,
        is: 'at most',
        measured: Math.max(median(stallsOf('hot')), median(stallsOf('apart'))),
        unit: ' ms',
      },
    ],
  }
}

function leastShare(processes: readonly Hammered[]): number {
  const counts = processes.map(({ count }) => count)
  return Math.min(...counts) / Math.max(...counts)
}

function longestStall(processes: readonly Hammered[]): number {
  return Math.max(...processes.map(({ longestStallMs }) => longestStallMs))
}

import { countPairs, pairsPerSecond, timesTheFloor, type Work } from '../loops.ts'
import type { Table } from '../report.ts'
import { inRounds } from '../rounds.ts'
import { median, medianRatio } from '../statistics.ts'
import type { Contenders } from './contender.ts'

/** What many callers found, and how each contender stands to the floor. */
export interface Throughputs<Name extends string> {
  readonly table: Table
  /** Pairs in the same time, by those of the floor. */
  readonly shareOf: (name: Name) => number
  /** The client's CPU for a pair, by that of the floor. */
  readonly cpuOf: (name: Name) => number
}

/** Many callers in one process, a resource each. */
export async function measureThroughput<Name extends string>(
  contenders: Contenders<Name>,
  floor: Name,
  { callers, quick }: { readonly callers: number; readonly quick: boolean },
): Promise<Throughputs<Name>> {
  const [rounds, ms] = quick ? [2, 200] : [5, 1200]
  const loops = { callers, hot: false, ms }
  const measures = contenders.map(
    (name, { acquire }) =>
      (): Promise<Work> =>
        countPairs(async (resource) => (await acquire(resource))(), loops, name),
  )
  const found = await inRounds(measures, rounds)
  const pairs = (name: Name): number[] => found[name].map((work) => work.pairs)
  const shareOf = (name: Name): number => medianRatio(pairs(name), pairs(floor))
  const cpuOf = (name: Name): number => timesTheFloor(found[name], found[floor]).cpu
  const rows = contenders.names.map((name) => [
    contenders.titles[name],
    pairsPerSecond(found[name], { ms }),
    shareOf(name),
    median(found[name].map((work) => (work.cpuMs / Math.max(1, work.pairs)) * 1000)),
    cpuOf(name),
  ])
  const columns = ['', 'pairs/s', "of the floor's pairs", "client's CPU, µs a pair", "of the floor's CPU"]
  return { table: { title: `${callers} callers in one process, a resource each`, columns, rows }, shareOf, cpuOf }
}

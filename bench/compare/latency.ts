import type { Table } from '../report.ts'
import { inRounds } from '../rounds.ts'
import { median, medianRatio, quantile } from '../statistics.ts'
import type { Contenders, Opened } from './contender.ts'

const WARM_UP = 500

/** What one caller found, and how each contender stands to the floor. */
export interface Latencies<Name extends string> {
  readonly table: Table
  readonly ratioOf: (name: Name) => number
}

/** One caller that acquires and releases, one pair after the other. */
export async function measureLatency<Name extends string>(
  contenders: Contenders<Name>,
  floor: Name,
  quick: boolean,
): Promise<Latencies<Name>> {
  const [rounds, count] = quick ? [3, 100] : [20, 200]
  for (const [name, contender] of contenders.entries()) await pairTimes(contender, name, quick ? 100 : WARM_UP)
  const measures = contenders.map((name, contender) => () => pairTimes(contender, name, count))
  const found = await inRounds(measures, rounds)
  const p50 = (name: Name): number[] => found[name].map((times) => median(times))
  const ratioOf = (name: Name): number => medianRatio(p50(name), p50(floor))
  const rows = contenders.names.map((name) => [
    contenders.titles[name],
    median(p50(name)) * 1000,
    quantile(found[name].flat(), 0.99) * 1000,
    ratioOf(name),
  ])
  const columns = ['', 'p50, µs', 'p99, µs', 'times the floor']
  return { table: { title: 'One caller: acquire and release', columns, rows }, ratioOf }
}

async function pairTimes({ acquire }: Opened, name: string, count: number): Promise<readonly number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index += 1) {
    const start = performance.now()
    const release = await acquire(`bench:${name}/${index % 64}`)
    await release()
    times.push(performance.now() - start)
  }
  return times
}

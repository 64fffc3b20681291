import type { Findings } from '../findings.ts'
import { quantile } from '../statistics.ts'
import { type Bench, PROCESSES } from './bench.ts'
import type { HandOver } from './handover-loop.ts'

const HOLD_MS = 2

/** How long it takes from a release in one process until the next in line, in another one, goes on. */
export async function benchHandOver({ workers, folder, quick }: Bench): Promise<Findings> {
  const [rounds, count] = quick ? [1, 50] : [4, 150]
  const gaps = { floor: [] as number[], two: [] as number[], four: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    const names = [`a${round}`, `b${round}`]
    const touches = await workers.each(
      'wake',
      names.map((own, index) => ({
        folder,
        own,
        other: names[1 - index] ?? '',
        first: index === 0,
        count,
        holdMs: HOLD_MS,
      })),
    )
    gaps.floor.push(...gapsBetween(touches))
    gaps.two.push(...handOvers(await workers.some(2, 'handOver', { count, holdMs: HOLD_MS })))
    const each = Math.ceil(count / 2)
    gaps.four.push(...handOvers(await workers.some(PROCESSES, 'handOver', { count: each, holdMs: HOLD_MS })))
  }
  const row = (name: string, values: readonly number[]): (string | number)[] => [
    name,
    values.length,
    ...[0.5, 0.9, 0.99, 1].map((share) => quantile(values, share)),
  ]
  return {
    tables: [
      {
        title: 'Handing over between processes, from the call of release to the return of acquire',
        columns: ['', 'times', 'p50, ms', 'p90, ms', 'p99, ms', 'longest, ms'],
        rows: [
          row('floor: touching a watched file', gaps.floor),
          row('2 processes', gaps.two),
          row('4 processes', gaps.four),
        ],
      },
    ],
    aims: [
      {
        what: 'hand-over between 2 processes, p50',
        limit: 1,
        is: 'at most',
        measured: quantile(gaps.two, 0.5),
        unit: ' ms',
      },
    ],
  }
}

/** From each release to the next grant; the tokens say which is the next. */
function handOvers(held: readonly (readonly HandOver[])[]): number[] {
  const holds = held.flatMap((holdsOfOne, owner) => holdsOfOne.map((hold) => ({ ...hold, owner })))
  const inOrder = holds.toSorted((a, b) => a.fence - b.fence)
  return inOrder.flatMap((hold, index) => {
    const before = inOrder[index - 1]
    return before === undefined || before.owner === hold.owner ? [] : [hold.grantedAt - before.releasedAt]
  })
}

/** The first touches, the second is woken, and touches, and so on: in order of time, every second gap is a wake-up. */
function gapsBetween(times: readonly (readonly number[])[]): number[] {
  const inOrder = times.flat().toSorted((a, b) => a - b)
  return inOrder.flatMap((time, index) => (index % 2 === 1 ? [time - (inOrder[index - 1] ?? time)] : []))
}

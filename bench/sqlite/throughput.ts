import type { Findings } from '../findings.ts'
import { type Loops, pairsPerSecond, timesTheFloor, together, type Work } from '../loops.ts'
import { inRounds } from '../rounds.ts'
import { type Bench, PROCESSES } from './bench.ts'

interface Shape extends Omit<Loops, 'ms'> {
  readonly processes: number
}

const SHAPES = {
  '1 process, 1 caller': { processes: 1, callers: 1, hot: false },
  '1 process, 64 callers, a resource each': { processes: 1, callers: 64, hot: false },
  '1 process, 64 callers, one resource': { processes: 1, callers: 64, hot: true },
  '4 processes, 1 caller each, a resource each': { processes: PROCESSES, callers: 1, hot: false },
  '4 processes, 1 caller each, one resource': { processes: PROCESSES, callers: 1, hot: true },
  '4 processes, 64 callers each, a resource each': { processes: PROCESSES, callers: 64, hot: false },
  '4 processes, 64 callers each, one resource': { processes: PROCESSES, callers: 64, hot: true },
} as const satisfies Record<string, Shape>

type ShapeName = keyof typeof SHAPES

/** Acquire and release against the floor of as many processes. */
export async function benchThroughput({ workers, quick }: Bench): Promise<Findings> {
  const [rounds, ms] = quick ? [2, 150] : [7, 350]
  const measure =
    (task: 'pairs' | 'floorPairs', { processes, ...loops }: Shape) =>
    async (): Promise<Work> =>
      together(await workers.some(processes, task, { ...loops, ms }))
  const names = Object.keys(SHAPES) as ShapeName[]
  const shaped = Object.fromEntries(names.map((name) => [name, measure('pairs', SHAPES[name])]))
  const floors = {
    floor1: measure('floorPairs', { processes: 1, callers: 1, hot: false }),
    floor4: measure('floorPairs', { processes: PROCESSES, callers: 1, hot: false }),
  }
  const found = await inRounds<ShapeName | keyof typeof floors, Work>(
    { ...floors, ...shaped } as Record<ShapeName | keyof typeof floors, () => Promise<Work>>,
    rounds,
  )
  const floorOf = (name: ShapeName): readonly Work[] => (SHAPES[name].processes === 1 ? found.floor1 : found.floor4)
  const rows = names.map((name) => {
    const { time, cpu } = timesTheFloor(found[name], floorOf(name))
    const [floor, own] = [floorOf(name), found[name]].map((works) => pairsPerSecond(works, { ms }))
    return [name, floor ?? NaN, own ?? NaN, 1 / time, time, cpu]
  })
  const lone = timesTheFloor(found['1 process, 1 caller'], found.floor1).time
  const crowd = timesTheFloor(found['1 process, 64 callers, a resource each'], found.floor1).time
  const columns = [
    '',
    'floor, pairs/s',
    'holdfast, pairs/s',
    "times the floor's throughput",
    "times the floor's time",
    "times the floor's CPU",
  ]
  return {
    tables: [{ title: 'Acquire and release in a SQLite file', columns, rows }],
    aims: [
      { what: "a lone caller, times the floor's time", limit: 2.5, is: 'at most', measured: lone, unit: '' },
      {
        what: "64 callers in a process, times the floor's throughput",
        limit: 1,
        is: 'at least',
        measured: 1 / crowd,
        unit: '',
      },
    ],
  }
}

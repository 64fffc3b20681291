import { randomUUID } from 'node:crypto'
import { arrivalsOf, type Line, lineOf, sharedMs, type Turn } from '../compare/line.ts'
import type { Findings } from '../findings.ts'
import { inRounds } from '../rounds.ts'
import { median, medianRatio, quantile } from '../statistics.ts'
import { type Bench, PROCESSES } from './bench.ts'
import { countCommands } from './commands.ts'
import { type ContenderName, CONTENDERS, IN_LINE } from './contenders.ts'

const HOLD_MS = 5
const SHAPES = [
  { waiters: 16, processes: 1 },
  { waiters: 16, processes: PROCESSES },
  { waiters: 128, processes: 1 },
  { waiters: 128, processes: PROCESSES },
] as const

type Shape = (typeof SHAPES)[number]

interface Served extends Line {
  /** For each waiter: commands that its contender sent, and that scripts called. */
  readonly sent: number
  readonly inner: number
}

/** One resource that many want: each holds it once. */
export async function benchHandOver(bench: Bench): Promise<Findings> {
  const findings: Findings[] = []
  for (const shape of SHAPES) findings.push(await benchShape(bench, shape))
  return { tables: findings.flatMap(({ tables }) => tables), aims: findings.flatMap(({ aims }) => aims) }
}

async function benchShape(bench: Bench, shape: Shape): Promise<Findings> {
  const lines = Object.fromEntries(IN_LINE.map((name) => [name, () => runLine(bench, name, shape)])) as Record<
    (typeof IN_LINE)[number],
    () => Promise<Served>
  >
  const found = await inRounds(lines, bench.quick ? 1 : 3)
  const title = `${shape.waiters} waiters in ${shape.processes === 1 ? 'one process' : `${shape.processes} processes`}`
  const of = (name: (typeof IN_LINE)[number], figure: (line: Served) => number): number[] => found[name].map(figure)
  const gap = (name: (typeof IN_LINE)[number]): number[] => of(name, ({ gaps }) => median(gaps))
  const rows = IN_LINE.map((name) => [
    CONTENDERS[name].title,
    median(of(name, ({ stretch }) => stretch)),
    median(gap(name)),
    quantile(
      found[name].flatMap(({ gaps }) => gaps),
      0.99,
    ),
    median(of(name, ({ sent }) => sent)),
    median(of(name, ({ inner }) => inner)),
    median(of(name, ({ inversions }) => inversions)),
  ])
  const columns = ['', 'total/held', 'hand-over p50, ms', 'p99, ms', 'commands sent', 'inside scripts', 'inversions']
  const aim = (what: string, limit: number, measured: number) =>
    ({ what: `${title}: ${what}`, limit, is: 'at most', measured, unit: '' }) as const
  return {
    tables: [{ title: `${title}, each holds for ${HOLD_MS} ms`, columns, rows }],
    aims: [
      aim('total/held', 1.12, median(of('holdfast', ({ stretch }) => stretch))),
      aim('commands sent for each', 2.1, median(of('holdfast', ({ sent }) => sent))),
      aim('inversions', 0, Math.max(...of('holdfast', ({ inversions }) => inversions))),
      aim('hand-over p50, times the floor', 1.3, medianRatio(gap('holdfast'), gap('queue'))),
    ],
  }
}

async function runLine({ admin, workers, port }: Bench, name: ContenderName, shape: Shape): Promise<Served> {
  const { waiters, processes } = shape
  const resource = `bench:${randomUUID()}`
  await workers.some(processes, 'open', { name, port, warmUp: 5 })
  let turns: Turn[] = []
  const commands = await countCommands(admin, async () => {
    const startMs = sharedMs() + 60
    const inputs = Array.from({ length: processes }, (_, process) => ({
      resource,
      startMs,
      arrivals: arrivalsOf(process, processes, waiters),
      holdMs: HOLD_MS,
    }))
    turns = (await workers.each('line', inputs)).flat()
  })
  await workers.some(processes, 'close', {})
  return { ...lineOf(turns), sent: commands.sent / waiters, inner: commands.inner / waiters }
}

import { randomUUID } from 'node:crypto'
import { arrivalsOf, type Line, lineOf, sharedMs } from '../compare/line.ts'
import type { Findings } from '../findings.ts'
import { inRounds } from '../rounds.ts'
import { median, medianRatio, quantile } from '../statistics.ts'
import { type Bench, PROCESSES } from './bench.ts'
import { type ContenderName, CONTENDERS, IN_LINE } from './contenders.ts'

const HOLD_MS = 5
const WAITERS = 64

/** One resource that many processes want: each caller holds it once. */
export async function benchHandOver(bench: Bench): Promise<Findings> {
  const measures = Object.fromEntries(IN_LINE.map((name) => [name, () => runLine(bench, name)])) as Record<
    (typeof IN_LINE)[number],
    () => Promise<Line>
  >
  const found = await inRounds(measures, bench.quick ? 1 : 7)
  const p50 = (name: (typeof IN_LINE)[number]): number[] => found[name].map(({ gaps }) => median(gaps))
  const rows = IN_LINE.map((name) => [
    CONTENDERS[name].title,
    median(found[name].map(({ stretch }) => stretch)),
    median(p50(name)),
    quantile(
      found[name].flatMap(({ gaps }) => gaps),
      0.99,
    ),
    median(found[name].map(({ inversions }) => inversions)),
  ])
  const columns = ['', 'total/held', 'hand-over p50, ms', 'p99, ms', 'inversions']
  const title = `${WAITERS} waiters in ${PROCESSES} processes, each holds for ${HOLD_MS} ms`
  const measured = medianRatio(p50('holdfast'), p50('notify'))
  return {
    tables: [{ title, columns, rows }],
    aims: [{ what: 'hand-over p50, times the floor', limit: 1.5, is: 'at most', measured, unit: '' }],
  }
}

async function runLine({ workers, url }: Bench, name: ContenderName): Promise<Line> {
  const resource = `bench:${randomUUID()}`
  await workers.some(PROCESSES, 'open', { name, url, warmUp: 5 })
  const startMs = sharedMs() + 60
  const inputs = Array.from({ length: PROCESSES }, (_, process) => ({
    resource,
    startMs,
    arrivals: arrivalsOf(process, PROCESSES, WAITERS),
    holdMs: HOLD_MS,
  }))
  const turns = (await workers.each('line', inputs)).flat()
  await workers.some(PROCESSES, 'close', {})
  return lineOf(turns)
}

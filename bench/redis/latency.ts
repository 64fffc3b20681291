import { Contenders } from '../compare/contender.ts'
import { measureLatency } from '../compare/latency.ts'
import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import { CONTENDERS, LIBRARIES } from './contenders.ts'

/** One caller, next to two plain commands. */
export async function benchLatency({ port, quick }: Bench): Promise<Findings> {
  const contenders = await Contenders.open(CONTENDERS, LIBRARIES, port)
  const { table, ratioOf } = await measureLatency(contenders, 'floor', quick)
  await contenders.close()
  const aim = (what: string, limit: number, measured: number) =>
    ({ what: `one caller, ${what}, times the floor`, limit, is: 'at most', measured, unit: '' }) as const
  return {
    tables: [table],
    aims: [aim('events on', 1.2, ratioOf('holdfast')), aim('events off', 1.1, ratioOf('bare'))],
  }
}

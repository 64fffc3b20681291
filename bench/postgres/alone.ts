import { Contenders } from '../compare/contender.ts'
import { measureLatency } from '../compare/latency.ts'
import { measureThroughput } from '../compare/throughput.ts'
import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import { CONTENDERS, LIBRARIES } from './contenders.ts'

const CALLERS = 64

/** One caller and many, a resource each, next to a plain row. */
export async function benchAlone({ url, quick }: Bench): Promise<Findings> {
  const contenders = await Contenders.open(CONTENDERS, LIBRARIES, url)
  const lone = await measureLatency(contenders, 'floor', quick)
  const many = await measureThroughput(contenders, 'floor', { callers: CALLERS, quick })
  await contenders.close()
  return {
    tables: [lone.table, many.table],
    aims: [
      {
        what: 'one caller, times the floor',
        limit: 1.3,
        is: 'at most',
        measured: lone.ratioOf('holdfast'),
        unit: '',
      },
      {
        what: `${CALLERS} callers, of the floor's pairs`,
        limit: 3,
        is: 'at least',
        measured: many.shareOf('holdfast'),
        unit: '',
      },
    ],
  }
}

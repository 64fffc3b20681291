import { Contenders } from '../compare/contender.ts'
import { measureThroughput } from '../compare/throughput.ts'
import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import { CONTENDERS, LIBRARIES } from './contenders.ts'

const CALLERS = 256

/** Many callers, next to two plain commands for each. */
export async function benchThroughput({ port, quick }: Bench): Promise<Findings> {
  const contenders = await Contenders.open(CONTENDERS, LIBRARIES, port)
  const { table, shareOf, cpuOf } = await measureThroughput(contenders, 'floor', { callers: CALLERS, quick })
  await contenders.close()
  return {
    tables: [table],
    aims: [
      {
        what: `${CALLERS} callers, events on, of the floor's pairs`,
        limit: 2,
        is: 'at least',
        measured: shareOf('holdfast'),
        unit: '',
      },
      {
        what: "client's CPU for a pair, of the floor's",
        limit: 1 / 3,
        is: 'at most',
        measured: cpuOf('holdfast'),
        unit: '',
      },
    ],
  }
}

import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import type { IdleInput } from './idle-loop.ts'

const CASES = {
  hold: 'holds a lock',
  wait: 'waits for a lock',
  wait100: 'waits for a lock, 100 callers',
  nothing: 'is connected and does nothing',
  renew: 'holds a lock of 3 s that renews itself',
  watch: 'watches the events of all',
} as const satisfies Record<IdleInput['what'], string>

/** What processes cost in which nothing happens. */
export async function benchIdling({ workers, quick }: Bench): Promise<Findings> {
  const ms = quick ? 1500 : 5000
  const shares = new Map<IdleInput['what'], number>()
  // Those that wait need somebody who holds; the others are on their own.
  for (const together of [['hold', 'wait', 'wait100', 'nothing'], ['renew'], ['watch']] as const) {
    const found = await workers.each(
      'idle',
      together.map((what) => ({ what, ms })),
    )
    together.forEach((what, index) => shares.set(what, found[index] ?? NaN))
  }
  const percent = (what: IdleInput['what']): number => (shares.get(what) ?? NaN) * 100
  return {
    tables: [
      {
        title: 'What a process costs in which nothing happens',
        columns: ['a process that', '% of a core'],
        rows: (Object.keys(CASES) as IdleInput['what'][]).map((what) => [CASES[what], percent(what)]),
      },
    ],
    aims: [
      {
        what: 'CPU of a process that waits, of a core',
        limit: 1,
        is: 'at most',
        measured: percent('wait'),
        unit: ' %',
      },
    ],
  }
}

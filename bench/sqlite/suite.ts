import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Findings } from '../findings.ts'
import type { Progress } from '../progress.ts'
import type { Section } from '../report.ts'
import { Workers } from '../workers.ts'
import { type Bench, PROCESSES } from './bench.ts'
import { benchHammering } from './hammering.ts'
import { benchHandOver } from './handover.ts'
import { benchIdling } from './idling.ts'
import type { Tasks } from './tasks.ts'
import { benchThroughput } from './throughput.ts'

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<Findings>>> = {
  'pairs per second': benchThroughput,
  'hand-over between processes': benchHandOver,
  'shares and stalls': benchHammering,
  'idle processes': benchIdling,
}

/** Processes that share one file. */
export async function benchSqlite(quick: boolean, progress: Progress): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const workers = new Workers<Tasks>(new URL('./worker.ts', import.meta.url), PROCESSES)
  const found: Findings[] = []
  try {
    await workers.each(
      'open',
      Array.from({ length: PROCESSES }, (_, index) => ({ folder, name: `process-${index}` })),
    )
    for (const [name, part] of Object.entries(PARTS)) {
      progress(name)
      found.push(await part({ workers, folder, quick }))
    }
    await workers.some(PROCESSES, 'close', {})
  } finally {
    await workers.end()
    await rm(folder, { recursive: true, force: true })
  }
  return { id: 'sqlite', tables: found.flatMap(({ tables }) => tables), aims: found.flatMap(({ aims }) => aims) }
}

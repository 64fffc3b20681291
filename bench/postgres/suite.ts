import { PostgresServer } from '../../test/support/postgres-server.ts'
import type { Findings } from '../findings.ts'
import type { Progress } from '../progress.ts'
import type { Section } from '../report.ts'
import { Workers } from '../workers.ts'
import { benchAlone } from './alone.ts'
import { type Bench, PROCESSES } from './bench.ts'
import { benchBloat } from './bloat.ts'
import { openPool } from './contenders.ts'
import { prepareFloors } from './floors.ts'
import { benchHandOver } from './handover.ts'
import { benchSize } from './size.ts'
import type { Tasks } from './tasks.ts'

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<Findings>>> = {
  'one caller, and many': benchAlone,
  'hand-over in a line': benchHandOver,
  'cost by size': benchSize,
  bloat: benchBloat,
}

/** As an operator would run it: what is committed is on the disk. */
const SETTINGS = { fsync: 'on', shared_buffers: '128MB', autovacuum_naptime: '10s' }

/** One Postgres server on this machine, and everybody who locks with it. */
export async function benchPostgres(quick: boolean, progress: Progress): Promise<Section> {
  const server = await PostgresServer.start({ settings: SETTINGS })
  const url = server.url()
  await prepareFloors(url)
  const admin = openPool(url)
  const workers = new Workers<Tasks>(new URL('./worker.ts', import.meta.url), PROCESSES)
  const found: Findings[] = []
  try {
    for (const [name, part] of Object.entries(PARTS)) {
      progress(name)
      found.push(await part({ url, admin, workers, quick }))
    }
  } finally {
    await admin.end()
    await workers.end()
    await server.dispose()
  }
  return { id: 'postgres', tables: found.flatMap(({ tables }) => tables), aims: found.flatMap(({ aims }) => aims) }
}

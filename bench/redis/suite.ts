import type { Findings } from '../findings.ts'
import type { Progress } from '../progress.ts'
import type { Section } from '../report.ts'
import { Workers } from '../workers.ts'
import { type Bench, PROCESSES } from './bench.ts'
import { openAdmin } from './contenders.ts'
import { benchCosts } from './costs.ts'
import { benchCrowd } from './crowding.ts'
import { benchHandOver } from './handover.ts'
import { benchLatency } from './latency.ts'
import { startServer } from './server.ts'
import type { Tasks } from './tasks.ts'
import { benchThroughput } from './throughput.ts'

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<Findings>>> = {
  'one caller': benchLatency,
  'many callers': benchThroughput,
  'hand-over in a line': benchHandOver,
  'cost in commands': benchCosts,
  'many leases': benchCrowd,
}

/** One Redis server on this machine, and everybody who locks with it. */
export async function benchRedis(quick: boolean, progress: Progress): Promise<Section> {
  const server = await startServer()
  const admin = openAdmin(server.port)
  const workers = new Workers<Tasks>(new URL('./worker.ts', import.meta.url), PROCESSES)
  const found: Findings[] = []
  try {
    for (const [name, part] of Object.entries(PARTS)) {
      progress(name)
      found.push(await part({ port: server.port, admin, workers, quick }))
      await admin.flushall()
    }
  } finally {
    admin.disconnect()
    await workers.end()
    await server.stop()
  }
  return { id: 'redis', tables: found.flatMap(({ tables }) => tables), aims: found.flatMap(({ aims }) => aims) }
}

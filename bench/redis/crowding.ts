import type { Findings } from '../findings.ts'
import { Workers } from '../workers.ts'
import type { Bench } from './bench.ts'
import type { Tasks } from './tasks.ts'

/** One process that holds very many leases, which renew themselves. */
export async function benchCrowd({ port, quick }: Bench): Promise<Findings> {
  const leases = quick ? 2000 : 100_000
  const seconds = quick ? 3 : 30
  const workers = new Workers<Tasks>(new URL('./worker.ts', import.meta.url), 1, ['--expose-gc'])
  try {
    const [crowd] = await workers.each('holdMany', [{ port, leases, seconds }])
    if (crowd === undefined) throw new Error('the worker has not answered')
    const rows: (string | number)[][] = [
      ['leases still held at the end', crowd.kept],
      ['memory in Redis, bytes a lease', crowd.redisBytes],
      ['memory in Node, bytes a lease', crowd.nodeBytes],
      ['commands sent, a second', crowd.commands.sent / seconds],
      ['commands inside scripts, a second', crowd.commands.inner / seconds],
      ["client's CPU, share of a core", crowd.clientMs / 1000 / seconds],
      ["server's CPU, share of a core", crowd.commands.serverMs / 1000 / seconds],
      ['longest stall of the client, ms', crowd.longestStallMs],
    ]
    const title = `One process holds ${leases} leases of 30 s that renew themselves, for ${seconds} s`
    return { tables: [{ title, columns: ['', 'measured'], rows }], aims: [] }
  } finally {
    await workers.end()
  }
}

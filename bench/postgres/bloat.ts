import type { Pool } from 'pg'
import type { Findings } from '../findings.ts'
import type { Bench } from './bench.ts'
import { openManager } from './contenders.ts'

const CALLERS = 256

/** How large the tables are after very many pairs, with the server's own housekeeping and nothing else. */
export async function benchBloat({ url, admin, quick }: Bench): Promise<Findings> {
  const pairs = quick ? 10_000 : 1_000_000
  const locks = openManager(url, 'off')
  await locks.connect()
  const rows: (string | number)[][] = [['before', ...(await sizes(admin))]]
  for (let done = 0; done < pairs; done += pairs / 4) {
    await run(locks, pairs / 4)
    rows.push([`after ${done + pairs / 4} pairs`, ...(await sizes(admin))])
  }
  await locks.close()
  const columns = ['', 'tables, KiB', 'indexes, KiB', 'dead rows']
  return { tables: [{ title: `Size on disk over ${pairs} pairs, ${CALLERS} callers`, columns, rows }], aims: [] }
}

async function run(locks: ReturnType<typeof openManager>, pairs: number): Promise<void> {
  let left = pairs
  const loop = async (caller: number): Promise<void> => {
    while (left > 0) {
      left -= 1
      const lock = await locks.acquire(`bench:bloat/${caller}`, { agentId: 'bench' })
      await lock.release()
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, caller) => loop(caller)))
}

async function sizes(admin: Pool): Promise<number[]> {
  const { rows } = await admin.query<{ tables: string; indexes: string; dead: string }>(`
    SELECT sum(pg_table_size(relid)) / 1024 AS tables, sum(pg_indexes_size(relid)) / 1024 AS indexes,
      sum(n_dead_tup) AS dead
    FROM pg_stat_user_tables WHERE schemaname = 'holdfast'`)
  const [row] = rows
  return row === undefined ? [] : [Number(row.tables), Number(row.indexes), Number(row.dead)]
}

import { randomUUID } from 'node:crypto'
import { DEFAULT_LIMITS, type StoreLimits } from '../../src/core/store.ts'
import { ClientLink } from '../../src/stores/redis/client-link.ts'
import { clientFor } from '../../src/stores/redis/connect.ts'
import { layoutOf } from '../../src/stores/redis/layout.ts'
import { assembleTable, type TableScript } from '../../src/stores/redis/script.ts'
import { RedisStore } from '../../src/stores/redis/store.ts'
import { parseRedisUrl } from '../../src/stores/redis/url.ts'
import { DrivenClock, type MakeHarness } from '../../src/testing/index.ts'
import { RedisServer } from './redis-server.ts'

let shared: Promise<RedisServer> | undefined

/** The server of the tests of this file, which need none for themselves. Started when it is first needed. */
export function sharedServer(): Promise<RedisServer> {
  shared ??= RedisServer.start()
  return shared
}

/** The table's own clock gives way to one that the test drives: it stands in a key of the namespace. */
const CLOCK = `return function()
  local now, wallNow = string.match(redis.call('GET', module.keys.base .. 'clock'), '^(%d+) (%d+)$')
  return tonumber(now), tonumber(wallNow)
end
`

/** The lock table with a driven clock; with a budget, one that nearly always leaves something to the next batch. */
export function drivenTable(budget?: number): TableScript {
  return assembleTable({ clock: CLOCK, ...(budget !== undefined && { budget: `return ${budget}\n` }) })
}

/** Opens a namespace of a server, over a connection of its own. */
export async function openRedisTable(
  server: RedisServer,
  namespace: string,
  options: { readonly limits?: Partial<StoreLimits>; readonly table?: TableScript } = {},
): Promise<RedisStore> {
  const link = new ClientLink(await clientFor(parseRedisUrl(server.url), undefined))
  await link.connect()
  const { limits, table } = options
  return new RedisStore({
    link,
    namespace,
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...(table !== undefined && { table }),
  })
}

/** Namespaces whose clocks the test drives. */
export function drivenRedis(table: TableScript = drivenTable()): MakeHarness {
  return async ({ limits }) => {
    const server = await sharedServer()
    const namespace = randomUUID()
    const advance = await driveClock(server, namespace)
    return { connect: () => openRedisTable(server, namespace, { limits, table }), advance }
  }
}

/** Sets the clock of a namespace whose table is a {@link drivenTable}; gives what moves it on. */
export async function driveClock(server: RedisServer, namespace: string): Promise<(ms: number) => Promise<void>> {
  const clock = new DrivenClock()
  const key = layoutOf(namespace).key.replace(/rows$/u, 'clock')
  const advance = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    await server.command('SET', key, `${clock.leaseMs()} ${clock.wallMs()}`)
  }
  await advance(0)
  return advance
}

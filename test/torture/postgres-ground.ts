import { PostgresServer } from '../support/postgres-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { type Fault, type FaultKind, rest } from './fault.ts'
import type { Ground } from './ground.ts'

const OUTAGE_MS = 1_500

/** One server and a proxy before it. What it has committed it keeps. */
export async function postgresGround(): Promise<Ground> {
  const server = await PostgresServer.start()
  const proxy = await TcpProxy.start(server.port)
  return {
    description: 'Postgres, one server, synchronous commits',
    workerUrl: `postgres://postgres@127.0.0.1:${proxy.port}/postgres`,
    runnerUrl: server.url(),
    faults: [
      fault('restart', 'restart the server', async () => {
        await server.restart()
        return 'the server was stopped and started'
      }),
      fault('crash', 'kill the server', async () => {
        await server.crash()
        await server.start()
        return 'the server and all its backends were killed'
      }),
      terminate(server, 'terminate all backends', 'true'),
      terminate(server, 'terminate the listeners', `query ILIKE 'LISTEN%'`),
      fault('cut', 'break every connection', async () => {
        proxy.reset()
        return 'every connection was broken'
      }),
      fault('partition', 'silence every connection', async ({ signal }) => {
        const count = proxy.connections
        proxy.silence()
        await rest(OUTAGE_MS, signal)
        return `${count} connections went silent for good`
      }),
    ],
    stop: async () => {
      await proxy.stop()
      await server.dispose()
    },
  }
}

function terminate(server: PostgresServer, name: string, which: string): Fault {
  return fault('disconnect', name, async () => {
    const rows = await server.run(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND ${which}`,
    )
    return `${rows.length} backends were terminated`
  })
}

function fault(kind: FaultKind, name: string, strike: Fault['strike']): Fault {
  return { kind, name, losesData: false, isOutage: true, strike }
}

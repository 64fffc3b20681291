import { RedisProxy } from '../support/redis-proxy.ts'
import { RedisServer } from '../support/redis-server.ts'
import { type Fault, type FaultKind, rest, type Scene } from './fault.ts'
import type { Ground } from './ground.ts'

/** Longer than a session may be silent, shorter than a caller's patience. */
const OUTAGE_MS = 1_500

/** One server and a proxy before it; with an append-only file it forgets nothing. */
export async function redisGround(isDurable: boolean): Promise<Ground> {
  const server = await RedisServer.start(isDurable ? { appendFsync: 'always' } : {})
  const proxy = await RedisProxy.start(server.port)
  return {
    description: `Redis, one server, ${isDurable ? 'append-only file, fsync always' : 'in memory only'}`,
    workerUrl: proxy.url,
    runnerUrl: server.url,
    faults: [...serverFaults(server, !isDurable), ...connectionFaults(server), ...networkFaults(proxy)],
    stop: async () => {
      await proxy.stop()
      await server.stop()
    },
  }
}

function serverFaults(server: RedisServer, losesData: boolean): readonly Fault[] {
  return [
    fault('restart', 'restart the server', { losesData, isOutage: true }, async () => {
      await server.shutDown()
      await server.restart()
      return 'the server was shut down and started'
    }),
    fault('crash', 'kill the server', { losesData, isOutage: true }, async () => {
      await server.kill()
      await server.restart()
      return 'the server was killed and started'
    }),
    fault('flush', 'flush all data', { losesData: true, isOutage: true }, async () => {
      await server.command('FLUSHALL')
      return 'FLUSHALL'
    }),
    fault('scripts', 'forget all scripts', {}, async () => {
      await server.command('SCRIPT', 'FLUSH')
      return 'SCRIPT FLUSH'
    }),
    fault('stall', 'pause all clients', { isOutage: true }, async ({ signal }) => {
      await server.command('CLIENT', 'PAUSE', OUTAGE_MS, 'ALL')
      await rest(OUTAGE_MS, signal)
      return `CLIENT PAUSE for ${OUTAGE_MS} ms`
    }),
    fault('stall', 'stop the server', { isOutage: true }, async ({ signal }) => {
      server.freeze()
      await rest(OUTAGE_MS, signal)
      server.thaw()
      return `the server stood still for ${OUTAGE_MS} ms`
    }),
  ]
}

function connectionFaults(server: RedisServer): readonly Fault[] {
  const kill = (type: 'normal' | 'pubsub', name: string): Fault =>
    fault('disconnect', name, { isOutage: true }, async () => {
      const killed = await server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
      return `CLIENT KILL of ${String(killed)} ${type} connections`
    })
  return [kill('normal', 'kill the connections of commands'), kill('pubsub', 'kill the connections of pushes')]
}

function networkFaults(proxy: RedisProxy): readonly Fault[] {
  const forAWhile = (
    kind: FaultKind,
    name: string,
    isOutage: boolean,
    breaks: () => void,
    healed: () => string,
  ): Fault =>
    fault(kind, name, { isOutage }, async ({ signal }) => {
      breaks()
      await rest(OUTAGE_MS, signal)
      proxy.heal()
      return `${healed()} for ${OUTAGE_MS} ms`
    })
  let dropped = 0
  return [
    forAWhile(
      'pushes',
      'drop pushes',
      false,
      () => {
        dropped = proxy.pushesDropped
        proxy.dropsPushes = true
      },
      () => `${proxy.pushesDropped - dropped} pushes were dropped`,
    ),
    forAWhile(
      'cut',
      'cut every connection',
      true,
      () => proxy.cut(),
      () => 'connections were broken and refused',
    ),
    forAWhile(
      'partition',
      'lose what is sent both ways',
      true,
      () => proxy.swallow('requests', 'replies'),
      () => 'everything was swallowed',
    ),
    forAWhile(
      'partition',
      'lose the replies',
      true,
      () => proxy.swallow('replies'),
      () => 'replies were swallowed',
    ),
  ]
}

function fault(
  kind: FaultKind,
  name: string,
  { losesData = false, isOutage = false }: { readonly losesData?: boolean; readonly isOutage?: boolean },
  strike: (scene: Scene) => Promise<string>,
): Fault {
  return { kind, name, losesData, isOutage, strike }
}

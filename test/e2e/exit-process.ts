/** A process for exit.test.ts. `node exit-process.ts <what> <store>`; it must come to its end by itself. */
import { setImmediate as turn } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { ResourceLockManager } from '../../src/index.ts'

const [, , what = '', store = ''] = process.argv
const registry = new Registry()
const agentId = 'agent'

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function open(): ResourceLockManager {
  return new ResourceLockManager({ store, registry, heartbeat: '200ms' })
}

function endOf(acquired: Promise<unknown>): Promise<string> {
  return acquired.then(
    () => 'acquired',
    (error: string | { code: string }) => (typeof error === 'string' ? error : error.code),
  )
}

/** What keeps this process alive, apart from what it was born with. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => !['TTYWrap', 'PipeWrap', 'FSReqPromise'].includes(name))
}

async function useEverything(): Promise<void> {
  const [a, b] = [open(), open()]
  const controller = new AbortController()
  const watching = (async () => {
    let count = 0
    for await (const event of b.watch({ signal: controller.signal })) count += event.type === 'gap' ? 0 : 1
    return count
  })()
  const closedWatch = (async () => {
    for await (const event of a.watch()) if (event.type === 'resource.expired') break
  })()
  const held = await a.acquire(['file:a', 'file:dir/**'], { agentId, autoExtend: true, waitTimeout: 'forever' })
  held.onWanted(() => {})
  held.signal.addEventListener('abort', () => {})
  await a.acquire('file:short', { agentId, timeout: '100ms' })
  await a.withLock('x', { agentId, autoExtend: { maxHold: '10m' } }, async (lock) => {
    await lock.extend('1m')
    await a.tryAcquire('x', { agentId, reentrant: true })
  })
  await b.acquire('file:a', { agentId, waitTimeout: '50ms' }).catch(() => {})
  const abort = new AbortController()
  const aborted = endOf(b.acquire('file:a', { agentId, waitTimeout: 'forever', signal: abort.signal }))
  const closed = endOf(b.acquire('file:a', { agentId, waitTimeout: 'forever' }))
  await b.agent('other').acquire('y', { mode: 'shared' })
  for await (const info of b.listLocks()) if (info.agentId === '') break
  await b.findStaleLocks({ maxAge: '1s' })
  await a.forceUnlock('y', { adminAgentId: 'admin', reason: 'test' })
  abort.abort('aborted')
  say(await aborted)
  controller.abort()
  await watching
  await Promise.all([a.close(), b.close()])
  await closedWatch
  say(await closed)
}

switch (what) {
  case 'everything':
    await useEverything()
    await turn()
    say(`resources ${JSON.stringify(resources())}`)
    break
  case 'holds':
    await open().acquire('x', { agentId, autoExtend: true, waitTimeout: 'forever' })
    say('holds')
    break
  case 'idles': {
    const locks = open()
    await (await locks.acquire('x', { agentId })).release()
    say(String(await locks.isLocked('x')))
    break
  }
  case 'waits': {
    const held = await open().acquire('x', { agentId, timeout: '1s' })
    const lock = await open().acquire('x', { agentId, waitTimeout: 'forever' })
    say(`granted ${lock.fencingToken > held.fencingToken}`)
    break
  }
  case 'waits a while': {
    await open().acquire('x', { agentId, timeout: '1m' })
    await open()
      .acquire('x', { agentId, waitTimeout: '700ms' })
      .catch((error: { code: string }) => say(error.code))
    break
  }
  case 'watches': {
    const locks = open()
    await locks.acquire('x', { agentId, timeout: '1s' })
    for await (const event of locks.watch()) {
      say(event.type)
      break
    }
    break
  }
  default:
    throw new Error(`'${what}' is not known here`)
}

import type { Redis } from 'ioredis'

/** What a contender may send itself; whatever else the server counts was called inside a script. */
const SENT: ReadonlySet<string> = new Set([
  'eval',
  'evalsha',
  'fcall',
  'subscribe',
  'ssubscribe',
  'unsubscribe',
  'set',
  'wait',
])

const SCRIPTED: ReadonlySet<string> = new Set(['eval', 'evalsha', 'fcall'])

/** Of the benchmark itself, or of a client that connects. */
const IGNORED: ReadonlySet<string> = new Set([
  'info',
  'config|resetstat',
  'hello',
  'client|setinfo',
  'client|setname',
  'select',
  'script|load',
  'function|load',
  'function|list',
  'command',
  'ping',
])

export interface Commands {
  readonly sent: number
  readonly inner: number
  /** What the server's threads computed, in milliseconds. */
  readonly serverMs: number
}

/** What the server did while `work` ran. A contender that sends SET itself must not call it inside. */
export async function countCommands(admin: Redis, work: () => Promise<unknown>): Promise<Commands> {
  await admin.config('RESETSTAT')
  const before = await cpuMs(admin)
  await work()
  const serverMs = (await cpuMs(admin)) - before
  const calls = [...(await admin.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gmu)].map(
    ([, name = '', count]) => [name, Number(count)] as const,
  )
  const isScripted = calls.some(([name]) => SCRIPTED.has(name))
  let [sent, inner] = [0, 0]
  for (const [name, count] of calls) {
    if (IGNORED.has(name)) continue
    if (SENT.has(name) || !isScripted) sent += count
    else inner += count
  }
  return { sent, inner, serverMs }
}

async function cpuMs(admin: Redis): Promise<number> {
  const found = [...(await admin.info('cpu')).matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gmu)]
  return found.reduce((total, [, seconds]) => total + Number(seconds) * 1000, 0)
}

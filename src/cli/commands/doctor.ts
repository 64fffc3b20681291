import { hostname } from 'node:os'
import type { LockInfo } from '../../core/model.ts'
import { claimText } from '../../core/resource/resource.ts'
import { withoutCredentials } from '../../core/store-url.ts'
import { formatDuration } from '../../core/time/duration.ts'
import { type Connection, connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { exitCodeOf, messageOf } from '../failure.ts'
import { parseHandle } from '../handle.ts'
import { forget, type KeptHandle, keptHandles } from '../kept-handles.ts'
import type { JsonFlag } from '../options.ts'
import { paint, plain, print, printJson } from '../output.ts'
import { keptHere } from '../owned.ts'
import { isAlive, isRunning } from '../process-identity.ts'
import type { Settings } from '../settings.ts'
import { packageVersion } from '../version.ts'

/** What was looked at, and whether it is all right. */
interface Check {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'error'
  readonly detail: string
}

/** Leases are measured by the store's clock alone, but people compare its times with their own. */
const LARGEST_SKEW_MS = 2_000
const SLOW_MS = 1_000

const SIGNS = { ok: ['green', '✓'], warning: ['yellow', '!'], error: ['red', '✗'] } as const

export async function doctor(settings: Settings, flags: JsonFlag): Promise<number> {
  const checks: Check[] = [versions(), settingsCheck(settings)]
  let code: number = EXIT.ok
  try {
    await connected(settings, async (connection) => {
      checks.push(...(await storeChecks(connection)))
      checks.push(await orphans(connection), await handles(connection, settings))
    })
  } catch (error) {
    code = exitCodeOf(error)
    checks.push({ check: 'store', state: 'error', detail: messageOf(error) })
  }
  checks.push(keepers())
  if (flags.json === true) printJson(checks)
  else {
    for (const { check, state, detail } of checks) {
      const [colour, sign] = SIGNS[state]
      print(`${paint(colour, sign)} ${check.padEnd('settings'.length)}  ${plain(detail)}`)
    }
  }
  if (code !== EXIT.ok) return code
  return checks.some(({ state }) => state === 'error') ? EXIT.other : EXIT.ok
}

function versions(): Check {
  const { node, sqlite } = process.versions
  const engine = sqlite === undefined ? '' : `, SQLite ${sqlite}`
  const detail = `holdfast ${packageVersion()}, Node.js ${node}${engine}, ${process.platform} ${process.arch}`
  return { check: 'versions', state: 'ok', detail }
}

function settingsCheck({ store, namespace, agent }: Settings): Check {
  const url = withoutCredentials(store.value)
  const detail = `store ${url} (${store.source}), namespace ${namespace.value} (${namespace.source}), agent ${agent.value} (${agent.source})`
  return { check: 'settings', state: 'ok', detail }
}

async function storeChecks(connection: Connection): Promise<readonly Check[]> {
  const startedMs = performance.now()
  const before = Date.now()
  const { answer } = await connection.run({ type: 'list', prefix: '', agentId: '', minAgeMs: 0, after: null })
  const after = Date.now()
  const tookMs = performance.now() - startedMs
  // Whatever lies between the two moments may be the store's.
  const skewMs = answer.wallNow < before ? before - answer.wallNow : Math.max(0, answer.wallNow - after)
  const answered = `${connection.name} answered in ${formatDuration(tookMs)}`
  const skew = `the store's clock and this machine's differ by ${skewMs === 0 ? 'nothing that can be seen' : formatDuration(skewMs)}`
  const sets = skewMs > LARGEST_SKEW_MS ? ': set one of them, or times here look odd (leases are not affected)' : ''
  return [
    { check: 'store', state: tookMs > SLOW_MS ? 'warning' : 'ok', detail: answered },
    { check: 'clock', state: skewMs > LARGEST_SKEW_MS ? 'warning' : 'ok', detail: `${skew}${sets}` },
  ]
}

/** Locks whose holder's name says which process of this machine held them, when that one is gone. */
async function orphans({ inspection }: Connection): Promise<Check> {
  const found = new Map<number, LockInfo>()
  let count = 0
  for await (const info of inspection.listLocks()) {
    count += 1
    const pid = pidOf(info.agentId)
    if (pid !== undefined && !isRunning(pid)) found.set(info.fencingToken, info)
  }
  if (found.size === 0) return { check: 'locks', state: 'ok', detail: `${count} held` }
  const all = [...found.values()].map((info) => `${claimText(info)} (${info.agentId})`).join(', ')
  return {
    check: 'locks',
    state: 'warning',
    detail: `${count} held; the process that started these is gone: ${all}. They end by themselves, or by holdfast unlock.`,
  }
}

function pidOf(agentId: string): number | undefined {
  const here = `@${hostname()}:`
  const at = agentId.lastIndexOf(here)
  const digits = at < 0 ? '' : agentId.slice(at + here.length)
  return /^\d{1,10}$/.test(digits) ? Number(digits) : undefined
}

/** The handles that are kept for this store; those whose locks are gone are forgotten. */
async function handles(connection: Connection, settings: Settings): Promise<Check> {
  const kept = keptHere(connection, settings)
  const gone: KeptHandle[] = []
  for (const each of kept) {
    const { id, token } = parseHandle(each.handle)
    const { outcome } = await connection.run({ type: 'extend', id, token, fence: null, ttlMs: 0, automatic: true })
    if (outcome.type === 'gone') gone.push(each)
  }
  for (const { handle } of gone) forget(handle)
  const forgotten = gone.length === 0 ? '' : `; ${gone.length} more belonged to locks that are gone, and were forgotten`
  return { check: 'handles', state: 'ok', detail: `${kept.length - gone.length} of yours in this store${forgotten}` }
}

/** The processes of `acquire --for-pid`, whichever store they are about. */
function keepers(): Check {
  const kept = keptHandles().flatMap(({ claims, keeper }) => (keeper === undefined ? [] : [{ claims, keeper }]))
  if (kept.length === 0) return { check: 'keepers', state: 'ok', detail: 'none' }
  const dead = kept.filter(({ keeper }) => !isAlive(keeper.process))
  const all = kept.map(({ claims, keeper }) => {
    const state = isAlive(keeper.process)
      ? `process ${keeper.process.pid}`
      : `process ${keeper.process.pid}, which is gone`
    return `${claims.map(claimText).join(', ')} for process ${keeper.forPid} (${state})`
  })
  return { check: 'keepers', state: dead.length > 0 ? 'warning' : 'ok', detail: all.join('; ') }
}

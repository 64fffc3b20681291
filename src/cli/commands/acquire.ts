import { dateOf, type StoreTime } from '../../core/info.ts'
import { type AcquireOptions, LEASE_LIMITS } from '../../core/lock/request.ts'
import type { Claim, PreviousHolder } from '../../core/model.ts'
import { claimText } from '../../core/resource/resource.ts'
import type { Activity } from '../../core/session/activity.ts'
import { withoutCredentials } from '../../core/store-url.ts'
import type { RequestRef } from '../../core/store.ts'
import { leftText } from '../../core/time/date-text.ts'
import { parseDuration } from '../../core/time/duration.ts'
import { type Acquired, Connection } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { Failure, UsageError } from '../failure.ts'
import { formatHandle } from '../handle.ts'
import { interruptible } from '../interruption.ts'
import { startKeeper } from '../keeping.ts'
import { forget, keep, type KeptHandle } from '../kept-handles.ts'
import type { AcquireFlags } from '../options.ts'
import { plain, print, printJson } from '../output.ts'
import { identify, type ProcessIdentity } from '../process-identity.ts'
import { claimsOf, folderNotices } from '../resources.ts'
import { chainFrom } from '../run/environment.ts'
import type { Settings } from '../settings.ts'
import { readWait, waitTimeoutOf } from '../wait.ts'

/** What an agent needs between two commands: long enough to think, short enough that a dead one is in nobody's way. */
const TIMEOUT = '10m'
/** A keeper renews it; this is how long the lock outlives the machine's sleep, or the keeper's sudden end. */
const KEPT_TIMEOUT = '30s'

interface Request {
  readonly claims: readonly Claim[]
  readonly ttlMs: number
  readonly waitMs: number
  readonly reason: string | undefined
  readonly target: ProcessIdentity | undefined
}

/** A lock that is there to stay. */
interface Held {
  readonly handle: string
  readonly ref: RequestRef
  readonly fencingToken: number
  readonly lockedAt: Date
  readonly expiresAt: Date
  readonly previous: PreviousHolder | undefined
}

export async function acquire(settings: Settings, args: readonly string[], flags: AcquireFlags): Promise<number> {
  const request = parse(settings, args, flags)
  if (settings.store.value.startsWith('memory:')) {
    throw new UsageError(`--store: memory: ends with this command, so it can keep no lock. Use holdfast run.`)
  }
  for (const notice of folderNotices(args, settings.store)) process.stderr.write(`holdfast: ${notice}\n`)
  return interruptible(async (signal) => {
    const connection = await Connection.open(settings, signal)
    try {
      const held = await take(connection, settings, request, signal)
      tell(held, settings, request, flags.json === true)
      return EXIT.ok
    } finally {
      await connection.leave()
    }
  })
}

function parse(settings: Settings, args: readonly string[], flags: AcquireFlags): Request {
  const { forPid, reason, shared, timeout, wait } = flags
  const ttlMs = parseDuration(timeout ?? (forPid === undefined ? TIMEOUT : KEPT_TIMEOUT), '--timeout', LEASE_LIMITS)
  const target = forPid === undefined ? undefined : identify(forPid)
  if (forPid !== undefined && target === undefined) throw new UsageError(`--for-pid: there is no process ${forPid}.`)
  return {
    claims: claimsOf(args, shared === true ? 'shared' : 'exclusive', settings.store),
    ttlMs,
    waitMs: readWait(wait),
    reason,
    target,
  }
}

async function take(connection: Connection, settings: Settings, request: Request, signal: AbortSignal): Promise<Held> {
  const { claims, ttlMs, waitMs, reason } = request
  const options: AcquireOptions = {
    agentId: settings.agent.value,
    timeout: `${ttlMs}ms`,
    waitTimeout: waitTimeoutOf(waitMs),
    signal,
    ...(reason === undefined ? {} : { reason }),
  }
  const acquired = await connection.acquire(claims, options, activityOf(process.env))
  try {
    signal.throwIfAborted()
    const held = await confirm(connection, settings, request, acquired)
    await record(connection, settings, request, held)
    return held
  } catch (error) {
    // Whatever went wrong, nobody was told of the lock.
    await connection.run({ type: 'release', ...acquired.ref, expired: false }).catch(() => {})
    throw error
  }
}

/** Inside of `holdfast run` what is acquired is part of what the run does; elsewhere nobody knows. */
function activityOf(env: NodeJS.ProcessEnv): Activity | undefined {
  return env['HOLDFAST_CHAIN'] === undefined ? undefined : { chain: chainFrom(env) }
}

/** A lock that was granted in line lasts only once the store knows that its grant has arrived. */
async function confirm(
  connection: Connection,
  settings: Settings,
  { claims, ttlMs }: Request,
  { lock, ref }: Acquired,
): Promise<Held> {
  const { outcome, answer } = await connection.run({ type: 'extend', ...ref, fence: null, ttlMs: 0, automatic: true })
  const [first] = claims
  if (outcome.type === 'gone' || first === undefined) {
    throw new Failure(
      'The lock was lost before it could be used: it was ended, or this command stood still for too long.',
      EXIT.lost,
    )
  }
  const time: StoreTime = answer
  const { fencingToken, lockedAt, previous } = lock
  const handle = formatHandle({
    store: withoutCredentials(connection.url),
    namespace: settings.namespace.value,
    ...ref,
    fencingToken,
    ttlMs,
    resource: claimText(first),
    others: claims.length - 1,
  })
  return { handle, ref, fencingToken, lockedAt, expiresAt: dateOf(outcome.expiresAt, time), previous }
}

async function record(
  connection: Connection,
  settings: Settings,
  { claims, target, ttlMs }: Request,
  { handle, ref, fencingToken, expiresAt }: Held,
): Promise<void> {
  const namespace = settings.namespace.value
  const kept: KeptHandle = {
    handle,
    store: withoutCredentials(connection.url),
    namespace,
    agentId: settings.agent.value,
    isAnonymous: settings.agent.source === 'default',
    claims,
    fencingToken,
    expiresAt: expiresAt.getTime(),
  }
  if (target === undefined) return keep(kept)
  try {
    const task = { handle, store: connection.url, namespace, ...ref, ttlMs, target }
    await startKeeper(task, (process) => keep({ ...kept, keeper: { process, forPid: target.pid } }))
  } catch (error) {
    forget(handle)
    throw error
  }
}

function tell(held: Held, settings: Settings, { claims, target }: Request, asJson: boolean): void {
  const { handle, fencingToken, lockedAt, expiresAt, previous } = held
  if (asJson) {
    const forPid = target === undefined ? {} : { forPid: target.pid }
    const agentId = settings.agent.value
    return printJson({ handle, agentId, resources: claims, fencingToken, lockedAt, expiresAt, ...forPid, previous })
  }
  print(handle)
  if (!process.stderr.isTTY) return
  const ends = target === undefined ? `ends ${leftText(expiresAt)}` : `ends with process ${target.pid}`
  process.stderr.write(`Locked ${plain(claims.map(claimText).join(', '))}; ${ends}. Keep the handle to yourself.\n`)
}

import { StoreUnavailableError } from '../errors.ts'
import { lockInfoOf } from '../info.ts'
import { checkSignal, checkText, MAX_AGENT_BYTES, MAX_REASON_BYTES } from '../lock/request.ts'
import type { GapEvent, LockEvent, LockInfo } from '../model.ts'
import { checkCount, checkOptions } from '../options.ts'
import { parseResource, typeOf } from '../resource/resource.ts'
import { PATIENCE_MS, type Reply } from '../session/pipeline.ts'
import type { Session } from '../session/session.ts'
import type { ListOutcome } from '../store.ts'
import { Stopwatch } from '../time/clock.ts'
import { type Duration, parseDuration } from '../time/duration.ts'
import { startWatch, watchEvents, type WatchStart } from './watch.ts'

/** How long to wait before a lease is tried again that could not be ended. */
const IN_VAIN_MS = 100

/** Which locks a listing is about; all of it must match. */
export interface ListOptions {
  readonly agentId?: string
  readonly resourceType?: string
  /** Only resources whose canonical id starts with this. */
  readonly prefix?: string
}

export interface StaleOptions {
  /** Locks older than this, however often they were extended. */
  readonly maxAge: Duration
}

export interface ForceUnlockOptions {
  /** Who does it; the holder is told. */
  readonly adminAgentId: string
  /** Why; the holder is told. */
  readonly reason: string
  /** Ends only the lease with this fencing token, so that a successor's fresh one is safe. */
  readonly fencingToken?: number
}

export interface WatchOptions {
  /** Go on after this cursor. Default: from the call of `watch` on. */
  readonly since?: string
  /** Ends the watching, silently. */
  readonly signal?: AbortSignal
}

/** What anybody may see of the locks, and the power to end one. */
export class Inspection {
  readonly #connect: () => Session | Promise<Session>
  readonly #closing: AbortSignal

  /**
   * @param connect gives the session, opening the store if need be
   * @param closing ends whatever goes on
   */
  constructor(connect: () => Session | Promise<Session>, closing: AbortSignal) {
    this.#connect = connect
    this.#closing = closing
  }

  /** Whether any lease covers the resource; for a tree: the whole of it. Waiters do not count. */
  async isLocked(resource: string): Promise<boolean> {
    return (await this.getLockInfo(resource)) !== null
  }

  /** Who holds the resource; of several readers the one with the nearest claim, and of those the earliest. */
  async getOwner(resource: string): Promise<string | null> {
    return (await this.getLockInfo(resource))?.agentId ?? null
  }

  /** The lease that covers the resource; of several the one with the nearest claim, and of those the earliest. */
  async getLockInfo(resource: string): Promise<LockInfo | null> {
    const session = await this.#connect()
    const { outcome, answer } = await session.pipeline.run({
      type: 'inspect',
      ...parseResource(checkText(resource, 'resource', 1, Infinity)),
      leases: 1,
      waiters: 0,
    })
    const [lease] = outcome.leases
    return lease === undefined ? null : lockInfoOf(lease, answer)
  }

  /** Every locked resource that matches, one entry per claim, page by page. */
  async *listLocks(options: ListOptions = {}): AsyncGenerator<LockInfo, void, undefined> {
    checkOptions(options, ['agentId', 'resourceType', 'prefix'], 'listLocks')
    for (const [name, value] of Object.entries(options)) if (value !== undefined) checkText(value, name, 0, Infinity)
    const { agentId = null, resourceType, prefix = resourceType === undefined ? '' : `${resourceType}:` } = options
    for await (const info of this.#list({ agentId, prefix, minAgeMs: 0 })) {
      if (resourceType === undefined || typeOf(info.resourceId) === resourceType) yield info
    }
  }

  /** Locks that are older than `maxAge`, however often they were extended. */
  async findStaleLocks(options: StaleOptions): Promise<LockInfo[]> {
    checkOptions(options, ['maxAge'], 'findStaleLocks')
    const minAgeMs = parseDuration(options.maxAge, 'maxAge', { minMs: 1, maxMs: Infinity, zero: true })
    const found: LockInfo[] = []
    for await (const info of this.#list({ agentId: null, prefix: '', minAgeMs })) found.push(info)
    return found
  }

  /**
   * Ends every lease that covers the resource, or only the one with the given fencing token, and tells its holder by
   * whom and why. The next in line is granted in the same step. Returns what was ended.
   *
   * @throws StoreUnavailableError if a lease could not be ended for some seconds, because a transaction has asserted it
   */
  async forceUnlock(resource: string, options: ForceUnlockOptions): Promise<LockInfo[]> {
    checkOptions(options, ['adminAgentId', 'reason', 'fencingToken'], 'forceUnlock')
    const step = {
      type: 'force',
      ...parseResource(checkText(resource, 'resource', 1, Infinity)),
      fence: options.fencingToken === undefined ? null : checkCount(options.fencingToken, 'fencingToken'),
      by: checkText(options.adminAgentId, 'adminAgentId', 1, MAX_AGENT_BYTES),
      reason: checkText(options.reason, 'reason', 1, MAX_REASON_BYTES),
    } as const
    const session = await this.#connect()
    const ended: LockInfo[] = []
    let inVainSince = new Stopwatch(session.clock)
    for (;;) {
      const { outcome, answer } = await session.pipeline.run(step)
      ended.push(...outcome.ended.map((lease) => lockInfoOf(lease, answer)))
      if (!outcome.unfinished) return ended
      if (outcome.ended.length > 0) inVainSince = new Stopwatch(session.clock)
      else if (inVainSince.elapsedMs() > PATIENCE_MS) throw cannotEnd(resource)
      else await rest(session, IN_VAIN_MS)
    }
  }

  /**
   * The events of every process that uses this namespace, from now or after a cursor, until the signal aborts or the
   * manager is closed. Where the log no longer has what follows the cursor there is one `gap` event.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<LockEvent | GapEvent, void, undefined> {
    const start = this.#startWatch(options)
    // Whoever asks for the first event is told what went wrong.
    start.catch(() => {})
    const signals = options?.signal instanceof AbortSignal ? [options.signal] : []
    // A close ends it silently; one that came before the call is the caller's mistake.
    if (!this.#closing.aborted) signals.push(this.#closing)
    return watchEvents(start, AbortSignal.any(signals))
  }

  async #startWatch(options: WatchOptions): Promise<WatchStart> {
    checkOptions(options, ['since', 'signal'], 'watch')
    const since = options.since === undefined ? undefined : checkText(options.since, 'since', 1, Infinity)
    checkSignal(options.signal)
    return startWatch(await this.#connect(), since)
  }

  async *#list(filter: { agentId: string | null; prefix: string; minAgeMs: number }): AsyncGenerator<LockInfo> {
    const session = await this.#connect()
    let after: string | null = null
    for (;;) {
      const { outcome, answer }: Reply<ListOutcome> = await session.pipeline.run({ type: 'list', ...filter, after })
      for (const lease of outcome.leases) yield lockInfoOf(lease, answer)
      if (outcome.next === null) return
      after = outcome.next
    }
  }
}

function cannotEnd(resource: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `A lease on ${resource} cannot be ended now: a transaction relies on it (assertHeld). It ends with the transaction; end that one, or try again.`,
  )
}

function rest(session: Session, ms: number): Promise<void> {
  return new Promise((resolve) => {
    session.clock.after(ms, resolve).keepAlive(true)
  })
}

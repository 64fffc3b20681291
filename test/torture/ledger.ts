import { isResourceLockError } from '../../src/core/errors.ts'
import type { GapEvent, LockEvent } from '../../src/core/model.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { comesTrue, rest } from './fault.ts'
import { nowMs } from './protocol.ts'

/** Before the log is read again of a store that could not be reached. */
const PAUSE_MS = 100

const THE_END = 'the end'

/** A grant, as the log tells of it. Times are when that was read, a little after it happened. */
export interface LoggedGrant {
  readonly fence: number
  readonly grantedBy: number
  /** Null: it stands, or the log that told of its end was lost. */
  readonly endedBy: number | null
  readonly wasReleased: boolean
}

/** What the store's own log says of a run. */
export class Ledger {
  readonly #locks: ResourceLockManager
  readonly #stopping = new AbortController()
  readonly #abandoned = new Map<string, number>()
  readonly #granted = new Map<number, LockEvent>()
  readonly #grants = new Map<string, LoggedGrant[]>()
  readonly #problems: string[] = []
  #events = 0
  #gaps = 0
  #cursor: string | undefined
  /** Why the log is read no longer. */
  #failure: unknown
  #watching: Promise<void> = Promise.resolve()

  private constructor(store: string, namespace: string) {
    this.#locks = new ResourceLockManager({ store, namespace, metrics: false })
  }

  /** Opens the log; resolves once it is read from its beginning. */
  static async open(store: string, namespace: string): Promise<Ledger> {
    const ledger = new Ledger(store, namespace)
    await ledger.#locks.connect()
    ledger.#watching = ledger.#watch()
    // One answer comes after the other: the watch has begun once this is there.
    await ledger.#locks.isLocked('torture:nothing')
    return ledger
  }

  get events(): number {
    return this.#events
  }

  /** How often the log had been cut: the store had lost it. */
  get gaps(): number {
    return this.#gaps
  }

  /** How often each request left the line without a grant: because it was given up, or its session taken for dead. */
  get abandoned(): ReadonlyMap<string, number> {
    return this.#abandoned
  }

  /** All grants to each request: more than one where a grant was lost on its way and the request joined again. */
  get grants(): ReadonlyMap<string, readonly LoggedGrant[]> {
    return this.#grants
  }

  /** Where the log contradicts itself. */
  get problems(): readonly string[] {
    return this.#problems
  }

  /** Locks everything, which shows that nothing is left behind that nobody holds, and waits until the log is read so far. */
  async lockAll(resources: readonly string[], deadlineMs: number): Promise<void> {
    const lock = await this.#locks.acquire([...resources], {
      agentId: THE_END,
      waitTimeout: `${Math.ceil(deadlineMs)}ms`,
    })
    await lock.release()
    // What is read of the log is complete only when this is there.
    const isRead = await comesTrue(() => this.#grants.has(THE_END), deadlineMs, this.#stopping.signal)
    if (!isRead) throw new Error('The event log does not tell what was locked last.', { cause: this.#failure })
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
    await this.#locks.close()
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const since = this.#cursor === undefined ? {} : { since: this.#cursor }
      try {
        for await (const event of this.#locks.watch({ signal, ...since })) this.#take(event)
      } catch (error) {
        if (!isResourceLockError(error, 'UNAVAILABLE')) {
          this.#failure = error
          return
        }
        await rest(PAUSE_MS, signal)
      }
    }
  }

  #take(event: LockEvent | GapEvent): void {
    this.#cursor = event.cursor
    if (event.type === 'gap') return this.#forget()
    this.#events += 1
    const { fencingToken = 0 } = event
    if (event.type === 'resource.abandoned') {
      this.#abandoned.set(event.agentId, (this.#abandoned.get(event.agentId) ?? 0) + 1)
    }
    if (event.type === 'resource.locked') this.#onLocked(fencingToken, event)
    if (event.type === 'resource.unlocked' || event.type === 'resource.expired') this.#onEnded(fencingToken, event)
  }

  #onLocked(fencingToken: number, event: LockEvent): void {
    const isShared = ({ resources }: LockEvent): boolean => resources.every(({ mode }) => mode === 'shared')
    for (const [token, other] of this.#granted) {
      const both = other.resources.filter(({ resourceId }) =>
        event.resources.some((claim) => claim.resourceId === resourceId),
      )
      if (both.length === 0 || (isShared(event) && isShared(other))) continue
      this.#problems.push(`the log grants ${event.agentId} ${fencingToken} while ${other.agentId} has ${token}`)
    }
    this.#granted.set(fencingToken, event)
    const grant: LoggedGrant = { fence: fencingToken, grantedBy: nowMs(), endedBy: null, wasReleased: false }
    this.#grants.set(event.agentId, [...(this.#grants.get(event.agentId) ?? []), grant])
  }

  #onEnded(fencingToken: number, { agentId, type }: LockEvent): void {
    this.#granted.delete(fencingToken)
    const grants = (this.#grants.get(agentId) ?? []).map((grant) =>
      grant.fence === fencingToken ? { ...grant, endedBy: nowMs(), wasReleased: type === 'resource.unlocked' } : grant,
    )
    this.#grants.set(agentId, grants)
  }

  #forget(): void {
    this.#gaps += 1
    this.#granted.clear()
  }
}

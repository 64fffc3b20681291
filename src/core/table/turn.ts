import { typeOf } from '../resource/resource.ts'
import type { Batch, LoggedEvent, Message, StoreLimits } from '../store.ts'
import { formatCursor } from './cursor.ts'
import type { MetaRow, RequestRow, SessionRow, TableStorage } from './storage.ts'

/** The most requests that one batch ends, skips or grants beyond those that its own steps touch. */
const STEP_BUDGET = 256

/** Which clock and which hash the table is run with. */
export interface Surroundings {
  /** The lease clock, in whole milliseconds. It never goes back while there are leases. */
  readonly now: number
  /** The wall clock, in milliseconds since 1970. */
  readonly wallNow: number
  readonly limits: StoreLimits
  /** One-way; what is kept of an ownership token. */
  readonly hash: (token: string) => string
  /** Default {@link STEP_BUDGET}; the fewer, the more often a batch leaves something to the next. */
  readonly budget?: number
}

/** How much work something may still do. */
export interface Allowance {
  left: number
}

/** A message as it is posted: the table numbers it. */
export type Posting = Message extends infer M ? (M extends Message ? Omit<M, 'number'> : never) : never

/** An event as it is logged: the table adds its cursor and its time. */
export type EventDraft = Omit<LoggedEvent, 'cursor' | 'wallAt'>

/**
 * One batch being executed. The rows that nearly every batch touches (the namespace, the sessions, the end of the
 * event log) are read once and written once, in {@link Turn.flush}; everything else goes straight to storage.
 */
export class Turn {
  readonly storage: TableStorage
  readonly now: number
  readonly wallNow: number
  readonly limits: StoreLimits
  /** What the batch may do in passing, and what its own steps may clear out of their way. */
  readonly passing: Allowance
  readonly touched: Allowance
  /** Requests that ended and whose waiters are to be looked at, in order. */
  readonly ended: number[] = []
  /** Chains that may have fallen back to one open request, or whose open request may have more in front of it. */
  readonly narrowed: Set<string> = new Set()
  /** What was posted, by session, to be pushed once the batch stands. */
  readonly posts: Map<string, Message[]> = new Map()
  readonly #hash: (token: string) => string
  #hashed: { readonly token: string; readonly hash: string } | undefined
  #meta: MetaRow
  #metaChanged = false
  readonly #sessions = new Map<string, SessionRow | undefined>()
  readonly #changedSessions = new Set<string>()
  readonly #events: LoggedEvent[] = []
  readonly #firstEvent: number
  readonly #trees = new Map<string, boolean>()

  constructor(storage: TableStorage, surroundings: Surroundings) {
    this.storage = storage
    this.now = surroundings.now
    this.wallNow = surroundings.wallNow
    this.limits = surroundings.limits
    this.#hash = surroundings.hash
    this.passing = { left: surroundings.budget ?? STEP_BUDGET }
    this.touched = { left: surroundings.budget ?? STEP_BUDGET }
    this.#meta = storage.readMeta()
    this.#firstEvent = this.#meta.lastEvent + 1
  }

  /** What is kept of an ownership token. A step asks for it more than once. */
  hash(token: string): string {
    if (this.#hashed?.token !== token) this.#hashed = { token, hash: this.#hash(token) }
    return this.#hashed.hash
  }

  get meta(): MetaRow {
    return this.#meta
  }

  changeMeta(change: Partial<MetaRow>): void {
    this.#meta = { ...this.#meta, ...change }
    this.#metaChanged = true
  }

  /** The next place in line. */
  takeId(): number {
    const lastId = this.#meta.lastId + 1
    this.changeMeta({ lastId })
    return lastId
  }

  /** Greater than every earlier one, and about the wall clock in microseconds, so that it rises even after a loss of data. */
  takeFence(): number {
    const lastFence = Math.max(this.#meta.lastFence + 1, this.wallNow * 1000)
    this.changeMeta({ lastFence })
    return lastFence
  }

  session(id: string): SessionRow | undefined {
    if (!this.#sessions.has(id)) this.#sessions.set(id, this.storage.sessions.get(id))
    return this.#sessions.get(id)
  }

  putSession(row: SessionRow): void {
    this.#sessions.set(row.id, row)
    this.#changedSessions.add(row.id)
  }

  deleteSession(id: string): void {
    this.storage.outbox.drop(id, Infinity)
    this.storage.sessions.delete(id)
    this.#sessions.set(id, undefined)
    this.#changedSessions.delete(id)
  }

  /** Whether any tree claim stands in the type of this resource, so that its ancestors must be looked at. */
  hasTreesAround(resourceId: string): boolean {
    const type = typeOf(resourceId)
    let known = this.#trees.get(type)
    if (known === undefined) {
      known = this.storage.claims.hasTrees(type)
      this.#trees.set(type, known)
    }
    return known
  }

  insert(row: RequestRow): void {
    for (const claim of row.claims) if (claim.scope === 'tree') this.#trees.set(typeOf(claim.resourceId), true)
    this.storage.requests.insert(row)
  }

  /** Tells a session, if it is still remembered. */
  post(sessionId: string, posting: Posting): void {
    const session = this.session(sessionId)
    if (session === undefined) return
    const message: Message = { ...posting, number: session.posted + 1 }
    this.putSession({ ...session, posted: message.number })
    this.storage.outbox.post(sessionId, message)
    const posts = this.posts.get(sessionId)
    if (posts === undefined) this.posts.set(sessionId, [message])
    else posts.push(message)
  }

  /** Logs an event and returns its cursor; `null` where the log is off. */
  log(draft: EventDraft): string | null {
    if (this.limits.events === 0) return null
    const lastEvent = this.#meta.lastEvent + 1
    this.changeMeta({ lastEvent })
    const cursor = formatCursor(this.#meta.epoch, lastEvent)
    this.#events.push({ cursor, wallAt: this.wallNow, ...draft })
    return cursor
  }

  /** Whether the batch logged anything. */
  get hasLogged(): boolean {
    return this.#events.length > 0
  }

  /** Writes what was held back. */
  flush(): void {
    if (this.#events.length > 0) {
      this.storage.events.append(this.#firstEvent, this.#events, this.#meta.lastEvent - this.limits.events + 1)
    }
    for (const id of this.#changedSessions) {
      const row = this.#sessions.get(id)
      if (row !== undefined) this.storage.sessions.put(row)
    }
    if (this.#metaChanged) this.storage.writeMeta(this.#meta)
  }
}

/** Whether a session was heard of within its dead time. */
export function isAlive(session: SessionRow, now: number): boolean {
  return session.seenAt + session.deadMs > now
}

/** Whether a batch wants no more than to look: such a one does not make a session. */
export function onlyLooks(batch: Batch): boolean {
  return (
    batch.steps.length > 0 &&
    batch.steps.every(({ type }) => type === 'inspect' || type === 'list' || type === 'readEvents')
  )
}

/**
 * What the lock table needs of the place where its rows live: a few kinds of rows, and ordered looks at them.
 * Every call is synchronous and one operation; the table is deterministic over it. Rows are values: a row that was
 * read does not change, and a changed copy counts only once it was put back.
 */
import type { Claim, Mode } from '../model.ts'
import type { Answer, LoggedEvent, Message, PreviousView } from '../store.ts'

/** The row of the namespace itself. */
export interface MetaRow {
  readonly epoch: string
  /** The id of the last request: ids rise, and are places in line. */
  readonly lastId: number
  readonly lastFence: number
  readonly lastEvent: number
  /** Ended requests whose waiters have not all been looked at. */
  readonly unsettled: number
  /** Deadlock checks that gave up. */
  readonly unchecked: number
}

export interface SessionRow {
  readonly id: string
  /** Rises whenever the session comes back from the dead; waiters of an earlier birth are dead. */
  readonly birth: number
  readonly seenAt: number
  readonly deadMs: number
  /** Number of its last batch. */
  readonly batch: number
  /** Number of the last message posted to it, and of the last one that it acknowledged. */
  readonly posted: number
  readonly acked: number
  /** How many of its requests wait, whatever their birth. */
  readonly waiting: number
  /** Some of them may be of an earlier birth. */
  readonly haunted: boolean
  /** When the sweep looks at it next. */
  readonly dueAt: number
  /** No lease of it outlives this, unless it was heard of since. */
  readonly keepUntil: number
}

/** Someone who may end a lease: the hash of an ownership token, and the session that is told of a loss. */
export interface Owner {
  readonly hash: string
  readonly session: string
}

export interface LeaseState {
  readonly owners: readonly Owner[]
  readonly fence: number
  readonly grantedAt: number
  readonly wallLockedAt: number
  /** Its session knows of it; until then the lease is short. */
  readonly confirmed: boolean
  /** Somebody waits, or waited, for it. */
  readonly wanted: boolean
}

/** A request: it waits, or (with `lease`) it is held. */
export interface RequestRow {
  readonly id: number
  readonly session: string
  readonly birth: number
  readonly agentId: string
  readonly chain: string | null
  readonly claims: readonly Claim[]
  readonly ttlMs: number
  readonly maxHoldMs: number | null
  readonly reason: string | null
  readonly metadata: string | null
  readonly tokenHash: string
  readonly queuedAt: number
  /** When it ends by itself: the lease's expiry, or the end of the wait; `null` if it may wait for ever. */
  readonly dueAt: number | null
  /** While it waits: the request that it is looked at again after. */
  readonly blocker: number | null
  readonly lease: LeaseState | null
}

/** A request that is held. */
export type HeldRow = RequestRow & { readonly lease: LeaseState; readonly dueAt: number }

/** A lease always has an expiry, so this tells both. */
export function isHeld(row: RequestRow): row is HeldRow {
  return row.lease !== null
}

/**
 * Where claims are looked up. `at`: every claim on exactly this id. `tree`: the tree claims among them.
 * `under`: claims strictly under it.
 */
export type Place = 'at' | 'tree' | 'under'

/** Requests that stand in the way at one place. */
export interface InTheWay {
  /** The latest waiting one before a given id. */
  readonly waiting: number | undefined
  /** One that is held. */
  readonly held: number | undefined
}

export interface Requests {
  get(id: number): RequestRow | undefined
  insert(row: RequestRow): void
  /** Everything but session, birth, agent, chain, claims, reason and metadata may have changed. */
  update(row: RequestRow): void
  delete(row: RequestRow): void
  /** Requests whose `dueAt` has come, earliest first. */
  due(now: number, limit: number): readonly RequestRow[]
  /** When the next wanted lease expires. */
  nextWanted(): number | undefined
  /** Waiting requests that remember this blocker, in order of id. */
  behind(blocker: number, limit: number): readonly RequestRow[]
  /** Requests of a chain that wait, or that are held, in order of id. */
  ofChain(chain: string, state: 'waiting' | 'held', limit: number): readonly RequestRow[]
  /** Waiting requests of a session, in order of id. */
  waitingOf(session: string, limit: number): readonly RequestRow[]
}

/**
 * The index of claims. Every look names the mode of the claim that asks: an exclusive one finds claims of both modes,
 * a shared one finds exclusive claims only, and pays nothing for the shared ones.
 */
export interface Claims {
  /** Whether any tree claim stands in this type. */
  hasTrees(type: string): boolean
  /** Whoever conflicts at a place: the latest waiting request before `before`, and some held one. */
  inTheWay(place: Place, resourceId: string, mode: Mode, before: number): InTheWay
  /** Held requests that conflict, in order of id (`under`: in order of resource), after `after` (`under`: from the start). */
  held(place: Place, resourceId: string, mode: Mode, after: number, limit: number): readonly number[]
  /** Waiting requests that conflict, after `after` and before `before`, in order of id. */
  waiting(place: Place, resourceId: string, mode: Mode, after: number, before: number, limit: number): readonly number[]
  /** How many of them there are, counted up to `limit`. */
  countWaiting(place: Place, resourceId: string, mode: Mode, before: number, limit: number): number
  /** Held claims whose ids start with a prefix, in an order of their own, after a place in it. */
  page(prefix: string, after: string | null, limit: number): readonly PagedClaim[]
}

export interface PagedClaim {
  readonly id: number
  readonly resourceId: string
  readonly mode: Mode
  /** This claim's place in the order of pages. */
  readonly place: string
}

export interface Sessions {
  get(id: string): SessionRow | undefined
  put(row: SessionRow): void
  delete(id: string): void
  /** The session with the earliest `dueAt`, if that has come. */
  due(now: number): SessionRow | undefined
  /** The answer to its last batch. */
  answer(id: string): Answer | undefined
  saveAnswer(id: string, answer: Answer): void
}

export interface Outbox {
  post(session: string, message: Message): void
  /** The messages after a number, oldest first. */
  after(session: string, number: number, limit: number): readonly Message[]
  /** Removes the messages up to a number. */
  drop(session: string, upTo: number): void
}

/** Ended requests whose waiters have not all been looked at yet, in the order in which they ended. */
export interface Unsettled {
  add(id: number): void
  delete(id: number): void
  first(limit: number): readonly number[]
}

export interface Previous {
  get(resourceId: string): PreviousView | undefined
  /** Remembers, and forgets the oldest beyond `keep`. */
  put(view: PreviousView, keep: number): void
}

export interface EventLog {
  /** Appends events numbered from `first`, and forgets those before `forgetBefore`. */
  append(first: number, events: readonly LoggedEvent[], forgetBefore: number): void
  /** Events after a number, oldest first. */
  after(number: number, limit: number): readonly NumberedEvent[]
}

export interface NumberedEvent {
  readonly number: number
  readonly event: LoggedEvent
}

export interface TableStorage {
  readMeta(): MetaRow
  writeMeta(meta: MetaRow): void
  readonly sessions: Sessions
  readonly requests: Requests
  readonly claims: Claims
  readonly outbox: Outbox
  readonly unsettled: Unsettled
  readonly previous: Previous
  readonly events: EventLog
}

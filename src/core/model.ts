/**
 * The vocabulary of the lock model: what is locked, by whom, for how long, and what is told about it.
 * Numbers that measure time carry their unit in the name; a `Date` is wall-clock time.
 */

/** Whether others may hold the resource at the same time. */
export type Mode = 'exclusive' | 'shared'

/** `node`: the resource itself. `tree`: the resource and everything under it. */
export type Scope = 'node' | 'tree'

/** What a request asks for, in canonical form: one resource, how, and how far down. */
export interface Claim {
  /** Canonical id, `type:path`; an empty path names the root of the type. */
  readonly resourceId: string
  readonly mode: Mode
  readonly scope: Scope
}

/** Why a lease ended although its holder had not let go of it. */
export type LossKind =
  /** Its time was up. */
  | 'expired'
  /** Somebody ended it with `forceUnlock`. */
  | 'forced'
  /** The store lost its data. */
  | 'epoch'
  /** The store gave no answer until the client's own deadline. */
  | 'unreachable'
  /** The manager was closed. */
  | 'closed'

/** How a lease was lost; `by` and `reason` are given for a forced one. */
export interface Loss {
  readonly kind: LossKind
  readonly by?: string
  readonly reason?: string
}

/** JSON that a user attaches to a lock. */
export type Metadata = { readonly [key: string]: unknown }

/** Who held a resource last. Absent means not known, not that nobody did. */
export interface PreviousHolder {
  readonly resourceId: string
  readonly agentId: string
  /** When that lease ended. */
  readonly until: Date
  readonly fencingToken: number
  readonly reason?: string
}

/** What everybody may know about one claim of a lease. It never holds the ownership token. */
export interface LockInfo {
  /** The claim's canonical id. */
  readonly resourceId: string
  readonly scope: Scope
  readonly mode: Mode
  readonly agentId: string
  readonly reason?: string
  readonly metadata?: Metadata
  readonly lockedAt: Date
  readonly expiresAt: Date
  readonly fencingToken: number
  /** Every claim of the same lease. */
  readonly resources: readonly Claim[]
  /** Claims that wait for this one; counting stops at 1 000. */
  readonly waiters: number
}

/** One edge of a deadlock: who waits, for what, and since when. */
export interface DeadlockLink {
  readonly agentId: string
  readonly resourceId: string
  readonly mode: Mode
  /** Since when: the wait for a waiter, the lease for a holder. */
  readonly since: Date
  /** Whether this agent holds the resource or waits for it. */
  readonly state: 'holds' | 'waits'
}

export type EventType =
  | 'resource.locked'
  | 'resource.unlocked'
  | 'resource.expired'
  | 'resource.extended'
  | 'resource.waiting'
  | 'resource.abandoned'
  | 'resource.deadlock'

/** One change of the lock table, as it stands in the namespace's log and on the event bus. */
export interface LockEvent {
  /**
   * Place in the namespace's log, opaque; hand it to `watch({ since })` to go on from here.
   * Absent on a bus event that the store has not logged: the log is off, or the client noticed a loss before the store did.
   */
  readonly cursor?: string
  readonly type: EventType
  readonly at: Date
  readonly agentId: string
  readonly fencingToken?: number
  readonly resources: readonly Claim[]
  readonly reason?: string
  readonly metadata?: Metadata
  /** On `unlocked` and `expired`: how long the lease was held, in milliseconds. */
  readonly heldMs?: number
  /** On `locked` and `abandoned`, and in the log on the `deadlock` of a request in line: how long it had waited, in milliseconds. */
  readonly waitedMs?: number
  /** On `unlocked`: who ended the lease by force, and why. */
  readonly forced?: { readonly by: string; readonly reason: string }
}

/** What `watch` yields where the log no longer has what the reader asked for. The next event follows it. */
export interface GapEvent {
  readonly type: 'gap'
  /** Where reading goes on. */
  readonly cursor: string
}

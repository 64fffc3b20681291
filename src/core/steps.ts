/**
 * What can be asked of a lock table, and what it answers. All of it is plain JSON, so that it can cross a wire. Times
 * named `…At` and `…Until` are milliseconds on the store's lease clock, which need not be the wall clock; `wall…` is
 * milliseconds since 1970.
 */
import type { Claim, DeadlockLink, EventType, Mode, Scope } from './model.ts'

/** Names a request to the store: its place in line, and the proof that it is one's own. */
export interface RequestRef {
  readonly id: number
  /** The ownership token. The store keeps only its hash. */
  readonly token: string
}

/** Ask for claims, all together or not at all. */
export interface AcquireStep {
  readonly type: 'acquire'
  /** Made by the client: 128 random bits. */
  readonly token: string
  readonly agentId: string
  readonly claims: readonly Claim[]
  readonly ttlMs: number
  /** How long the request may wait in line: 0 means now or busy, `null` means for ever. */
  readonly waitMs: number | null
  readonly chain: string | null
  /** Share a lease of the same chain that covers every claim, if there is one. */
  readonly reentrant: boolean
  /** Share this lease, if it covers every claim. */
  readonly holding: RequestRef | null
  readonly reason: string | null
  /** JSON text. */
  readonly metadata: string | null
  /** Caps how long the lease can be held by extending it, counted from the grant. */
  readonly maxHoldMs: number | null
}

/** Move the expiry to now + `ttlMs`, never earlier than it stands. `ttlMs` 0 only asks whether the lease is live. */
export interface ExtendStep extends RequestRef {
  readonly type: 'extend'
  /**
   * The fencing token of the lease that is meant; `null`: whatever it is. A store that went back may have granted the
   * same request once more, and somebody else in between.
   */
  readonly fence: number | null
  readonly ttlMs: number
  /** Automatic renewals are not logged. */
  readonly automatic: boolean
}

export interface ReleaseStep extends RequestRef {
  readonly type: 'release'
  /** The client has taken the lease for over: its end is an expiry, not a release. */
  readonly expired: boolean
}

/** Leave the line; a grant that crossed this step is ended with it. */
export interface CancelStep extends RequestRef {
  readonly type: 'cancel'
  /** Say who holds these and how many wait in front, for whoever asks why it took too long; `null`: do not. */
  readonly explain: readonly Claim[] | null
}

/** End this session's own part in a lease that its client does not know; who has come to share it keeps it. */
export interface HandBackStep {
  readonly type: 'handBack'
  readonly id: number
  readonly fence: number
}

/** End every lease that covers the resource, or only the one with the given fencing token. */
export interface ForceStep {
  readonly type: 'force'
  readonly resourceId: string
  readonly scope: Scope
  readonly fence: number | null
  readonly by: string
  readonly reason: string
}

/** The leases that cover a resource (nearest claim first, then earliest first), and those who wait for it. */
export interface InspectStep {
  readonly type: 'inspect'
  readonly resourceId: string
  readonly scope: Scope
  /** The most leases and the most waiters in the answer; 0 waiters costs nothing. */
  readonly leases: number
  readonly waiters: number
}

/** A page of the held claims that match, in an order that pages can follow. */
export interface ListStep {
  readonly type: 'list'
  /** Only ids that start with this. */
  readonly prefix: string
  readonly agentId: string | null
  /** Only leases at least this old, however often they were extended. */
  readonly minAgeMs: number
  readonly after: string | null
}

/** A page of the event log. */
export interface ReadEventsStep {
  readonly type: 'readEvents'
  /** Read what follows this cursor; `null`: start at the end, which tells the cursor to go on from. */
  readonly since: string | null
  readonly limit: number
}

/** The session ends: its line places go, its leases stay until they are released or expire. */
export interface GoodbyeStep {
  readonly type: 'goodbye'
}

export type Step =
  | AcquireStep
  | ExtendStep
  | ReleaseStep
  | CancelStep
  | HandBackStep
  | ForceStep
  | InspectStep
  | ListStep
  | ReadEventsStep
  | GoodbyeStep

/** A {@link PreviousHolder} as it crosses the wire. */
export interface PreviousView {
  readonly resourceId: string
  readonly agentId: string
  readonly wallUntil: number
  readonly fence: number
  readonly reason: string | null
}

/** One claim of a live lease, as anybody may see it. */
export interface LeaseView {
  readonly claim: Claim
  readonly claims: readonly Claim[]
  readonly agentId: string
  readonly reason: string | null
  readonly metadata: string | null
  readonly wallLockedAt: number
  readonly expiresAt: number
  readonly fence: number
  readonly waiters: number
}

/** One live waiting request, as anybody may see it. */
export interface WaiterView {
  readonly claims: readonly Claim[]
  readonly agentId: string
  readonly reason: string | null
  readonly queuedAt: number
}

/** A {@link DeadlockLink} as it crosses the wire. */
export interface CycleView {
  readonly agentId: string
  readonly resourceId: string
  readonly mode: Mode
  readonly sinceAt: number
  readonly state: DeadlockLink['state']
}

/** A {@link LockEvent} as it stands in the log. */
export interface LoggedEvent {
  readonly cursor: string
  readonly type: EventType
  readonly wallAt: number
  readonly agentId: string
  readonly fence: number | null
  readonly claims: readonly Claim[]
  readonly reason: string | null
  readonly metadata: string | null
  readonly heldMs: number | null
  readonly waitedMs: number | null
  readonly forced: { readonly by: string; readonly reason: string } | null
}

/** What a holder learns with its grant. */
export interface GrantView {
  readonly id: number
  readonly fence: number
  readonly wallLockedAt: number
  readonly expiresAt: number
  readonly previous: readonly PreviousView[]
  /** Claims that wait for this lease already. */
  readonly waiters: number
  readonly waitedMs: number
  /** Place of the event in the log; `null` where the log is off. */
  readonly cursor: string | null
}

export type AcquireOutcome =
  | ({ readonly type: 'granted' } & GrantView)
  /** Shares a live lease: its tokens, its expiry. */
  | ({ readonly type: 'entered' } & GrantView)
  | { readonly type: 'waiting'; readonly id: number; readonly cursor: string | null }
  | BusyView
  | { readonly type: 'deadlock'; readonly cycle: readonly CycleView[]; readonly cursor: string | null }
  /** More dead entries stood in front than one step may remove: send the step again. */
  | { readonly type: 'again' }

export interface BusyView {
  readonly type: 'busy'
  readonly holders: readonly LeaseView[]
  readonly ahead: number
}

export type ExtendOutcome =
  | { readonly type: 'extended'; readonly expiresAt: number; readonly cursor: string | null }
  | { readonly type: 'gone' }

export interface ReleaseOutcome {
  readonly type: 'released'
  /** False if the lease was lost before. */
  readonly released: boolean
  /** Another entry of the same chain still holds the lease. */
  readonly shared: boolean
  readonly heldMs: number
  readonly cursor: string | null
}

export interface CancelOutcome {
  readonly type: 'cancelled'
  readonly holders: readonly LeaseView[]
  readonly ahead: number
  readonly waitedMs: number
  readonly cursor: string | null
}

export interface ForceOutcome {
  readonly type: 'forced'
  readonly ended: readonly LeaseView[]
  /** More leases cover the resource than one step may end: send the step again. */
  readonly unfinished: boolean
}

export interface InspectOutcome {
  readonly type: 'inspected'
  readonly leases: readonly LeaseView[]
  readonly waiting: readonly WaiterView[]
  readonly previous: PreviousView | null
}

export interface ListOutcome {
  readonly type: 'listed'
  readonly leases: readonly LeaseView[]
  /** Where the next page starts; `null` at the end. */
  readonly next: string | null
}

export interface ReadEventsOutcome {
  readonly type: 'events'
  readonly events: readonly LoggedEvent[]
  readonly cursor: string
  /** The log no longer has (or never had) what follows `since`; there are no events, and `cursor` is where it goes on. */
  readonly gap: boolean
}

/** The answer to `handBack` and `goodbye`. */
export interface DoneOutcome {
  readonly type: 'done'
}

/** Which outcome belongs to which step. */
export interface OutcomeOf {
  readonly acquire: AcquireOutcome
  readonly extend: ExtendOutcome
  readonly release: ReleaseOutcome
  readonly cancel: CancelOutcome
  readonly handBack: DoneOutcome
  readonly force: ForceOutcome
  readonly inspect: InspectOutcome
  readonly list: ListOutcome
  readonly readEvents: ReadEventsOutcome
  readonly goodbye: DoneOutcome
}

export type Outcome = OutcomeOf[keyof OutcomeOf]

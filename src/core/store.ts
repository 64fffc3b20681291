/**
 * The contract between a session and a store. A store has one operation, `apply`: a batch of steps, executed in
 * order and atomically where the data lives, each with its outcome. Everything above speaks in steps, everything
 * below is the lock table of `core/table`, or a port of it that gives the same answers.
 */
import { type InvalidRequestError, StoreUnavailableError } from './errors.ts'
import type { Loss } from './model.ts'
import type { CycleView, GrantView, Outcome, Step } from './steps.ts'

export type * from './steps.ts'

/** Something that happened to a session's request outside its own steps. */
export type Message = { readonly number: number } & (
  | ({ readonly type: 'granted' } & GrantView)
  | {
      readonly type: 'lost'
      readonly id: number
      readonly loss: Loss
      readonly heldMs: number
      readonly cursor: string | null
    }
  | {
      readonly type: 'deadlock'
      readonly id: number
      readonly cycle: readonly CycleView[]
      readonly cursor: string | null
    }
  | { readonly type: 'wanted'; readonly id: number; readonly waiters: number }
)

/** Steps of one session, executed in order and atomically. An empty batch is a heartbeat. */
export interface Batch {
  /** 128 random bits, secret: whoever knows it can act for the session. */
  readonly session: string
  /** The session counts its batches from 1; a repeated one gets the first answer again, an older one is refused. */
  readonly number: number
  /** The epoch that the session knows; in another one nothing is executed. `null` at first. */
  readonly epoch: string | null
  /** Number of the last message that arrived with none missing before it. */
  readonly acked: number
  /**
   * The messages up to that number which no answered batch has acknowledged yet, oldest first. A store that finds
   * another message under one of these numbers has gone back since, and has posted anew: what it has posted is kept,
   * and the session is told that it is fresh. It is the same message if type, request id and fencing token are the same.
   */
  readonly received: readonly Message[]
  /** The session is dead when it was silent for this long. */
  readonly deadMs: number
  /** The highest fencing token that the session has seen; 0 for none. */
  readonly floor: number
  /**
   * The number of the session's last batch that was answered, and the highest request id that it was told; 0 for none.
   * A store that knows less than that has lost its latest changes, as after a fail-over to a replica that lagged behind.
   */
  readonly answered: number
  readonly lastId: number
  readonly steps: readonly Step[]
}

export interface Answer {
  /** Random, made with the namespace: another one means that the store lost its data. */
  readonly epoch: string
  /** The lease clock and the wall clock at the batch. */
  readonly now: number
  readonly wallNow: number
  /**
   * The store did not know the session, took it for dead, or has lost what it did for it lately: its earlier line
   * places are gone, and it has to ask which of its leases still stand.
   */
  readonly fresh: boolean
  /** There is more to end or to grant than one batch may do: send another at once. */
  readonly more: boolean
  /** The next moment at which a lease that somebody waits for will expire; `null` if there is none. */
  readonly wakeAt: number | null
  /** What the session has not acknowledged yet, oldest first. */
  readonly messages: readonly Message[]
  /** One for each step; `null` if the epoch was another one and nothing was executed. */
  readonly outcomes: readonly Outcome[] | null
}

/** What a store tells a subscribed session. Neither call may throw. */
export interface Listener {
  /** Messages as they are posted; they may come twice, or not at all. */
  onMessages(messages: readonly Message[]): void
  /** Messages may have been missed: ask at once. */
  onInterruption(): void
}

/** Ends a subscription. Nothing is delivered afterwards. */
export interface Subscription {
  close(): Promise<void>
}

/** Thrown by {@link LockStore.apply} where it is certain that nothing of the batch was executed. */
export class NotExecutedError extends StoreUnavailableError {}

/** An open namespace of a store. */
export interface LockStore {
  /** What a person would recognise it by, without secrets: `memory:`, `sqlite:/path`. */
  readonly name: string
  /**
   * Whether it pays to split many callers over two batches, one of which is executed while this process hands out what
   * the other has brought. So it does where somebody else executes them, and one batch more costs little. Default: false.
   */
  readonly takesTurns?: boolean
  /**
   * Executes a batch. If it rejects with {@link StoreUnavailableError} the batch may or may not have been executed,
   * and the session repeats it with the same number until it is answered.
   *
   * @throws NotExecutedError (which is also a {@link StoreUnavailableError}) if nothing was executed for certain: the
   *   callers are told at once, and the session goes on with the next number.
   * @throws InvalidRequestError for a batch older than the last, or a floor more than 60 s ahead of the wall clock.
   */
  apply(batch: Batch): Promise<Answer>
  /**
   * Why this store can never execute a step. Asked before the step joins a batch, so that it fails alone. Absent where
   * every step can be executed.
   */
  refusal?(step: Step): InvalidRequestError | undefined
  /** Resolves once messages for the session are delivered. */
  subscribe(session: string, listener: Listener): Promise<Subscription>
  /** Calls back soon after the event log has grown; now and then also when it has not. */
  follow(onGrowth: () => void): Promise<Subscription>
  /** Frees what was opened. Leases stay. */
  close(): Promise<void>
}

/** What a store URL or a store factory gives: it can open any namespace. */
export interface StoreDriver {
  /** A URL that leads to the same store from any folder and process, where it is not the one that was given. */
  readonly url?: string
  /** @param signal gives up opening, where that can take long; the promise then rejects with its reason */
  open(namespace: string, signal?: AbortSignal): Promise<LockStore>
}

/** How much a store remembers. */
export interface StoreLimits {
  /** Events kept in the log; 0 switches it off. Default 10 000. */
  readonly events: number
  /** Resources whose previous holder is remembered. Default 10 000. */
  readonly previous: number
  /** How long a previous holder is remembered. Default an hour. */
  readonly previousMs: number
}

export const DEFAULT_LIMITS: StoreLimits = { events: 10_000, previous: 10_000, previousMs: 3_600_000 }

import type { Mode } from '../../src/core/model.ts'
import type { PauseKind } from './client-process.ts'

/** A call of `acquire`, and what is done under the lock. */
export interface Operation {
  /** Unique in the plan; also the `reason` by which its request is known in the store. */
  readonly name: string
  readonly atMs: number
  readonly client: number
  /** Which of the client's agents: calls of one agent belong to one chain. `null`: of none. */
  readonly agent: number | null
  /** `with`: by `withLock`, whose callback makes the nested calls. */
  readonly how: 'acquire' | 'with'
  readonly resources: readonly { readonly resourceId: string; readonly mode: Mode }[]
  readonly timeoutMs: number
  /** `null` waits for ever. */
  readonly waitMs: number | null
  readonly holdMs: number
  readonly autoExtend: boolean | { readonly maxHoldMs: number }
  readonly reentrant: boolean
  readonly abortAfterMs: number | null
  /** Extends explicitly, half-way. */
  readonly extendMs: number | null
  /** Never released: the lease runs out. */
  readonly forgets: boolean
  /** Calls made while the lock is held, one after the other. */
  readonly nested: readonly Operation[]
  /** Its chain does this and nothing else. */
  readonly isSequential: boolean
}

/** Calls that look, or that end the locks of others. */
export interface Intervention {
  readonly atMs: number
  readonly client: number
  readonly what: 'force' | 'owner' | 'list'
  readonly resourceId: string
}

/** Something that goes wrong. Those with a `forMs` end by themselves. */
export type Fault =
  /** Every message of the client takes longer. */
  | {
      readonly kind: 'slow'
      readonly atMs: number
      readonly forMs: number
      readonly client: number
      readonly upToMs: number
    }
  /** Messages are lost, repeated or late, each with this probability. */
  | {
      readonly kind: 'lossy'
      readonly atMs: number
      readonly forMs: number
      readonly client: number
      readonly chance: number
    }
  /** Nothing gets through, in one direction or in both. `cut`: the connection breaks, too. */
  | {
      readonly kind: 'partition'
      readonly atMs: number
      readonly forMs: number
      readonly client: number
      readonly side: 'there' | 'back' | 'both'
      readonly cut: boolean
    }
  /** Requests hang for so long before they are executed, or after. */
  | {
      readonly kind: 'hang'
      readonly atMs: number
      readonly forMs: number
      readonly client: number
      readonly side: 'before' | 'after'
      readonly hangMs: number
    }
  | { readonly kind: 'deaf'; readonly atMs: number; readonly forMs: number; readonly client: number }
  | {
      readonly kind: 'pause'
      readonly atMs: number
      readonly forMs: number
      readonly client: number
      readonly how: PauseKind
    }
  /** The process ends without a word, and another one takes its place. */
  | { readonly kind: 'crash'; readonly atMs: number; readonly client: number; readonly backAfterMs: number }
  /** The manager is closed properly, and another one takes its place. */
  | { readonly kind: 'close'; readonly atMs: number; readonly client: number; readonly backAfterMs: number }
  | { readonly kind: 'wall'; readonly atMs: number; readonly client: number; readonly byMs: number }
  /** The store is down, and comes back with its data, without, or with an earlier state of them. */
  | {
      readonly kind: 'down'
      readonly atMs: number
      readonly forMs: number
      readonly data: 'kept' | 'lost' | 'back'
      readonly backMs: number
    }
  /** At once: the data is lost, or another copy takes over that lags behind. */
  | { readonly kind: 'forget'; readonly atMs: number; readonly data: 'lost' | 'back'; readonly backMs: number }
  | { readonly kind: 'storeWall'; readonly atMs: number; readonly byMs: number }
  /** The lease clock of the store goes forward. */
  | { readonly kind: 'storeClock'; readonly atMs: number; readonly byMs: number }

export interface ClientPlan {
  readonly heartbeatMs: number
  /** How fast its clocks go, compared with the store's. */
  readonly rate: number
  readonly watches: boolean
}

/** All that is going to be done, and all that is going to go wrong. The rest is decided by the seed. */
export interface Plan {
  readonly seed: number
  /** Another number gives the messages other luck, and leaves all else as it is. */
  readonly luck: number
  readonly clients: readonly ClientPlan[]
  readonly operations: readonly Operation[]
  readonly interventions: readonly Intervention[]
  readonly faults: readonly Fault[]
  /** From then on nothing goes wrong any more. */
  readonly quietAtMs: number
  /** Usual one-way time of a message, at most. */
  readonly latencyMs: number
  /** What one batch may end or grant in passing; `null`: as the table has it. */
  readonly budget: number | null
  /** How many events the log keeps. */
  readonly loggedEvents: number
  /** Whether every handle is asked after every event whether it believes to be held. */
  readonly asksAlways: boolean
}

/** How long the longest lease of a plan lasts. */
export const LONGEST_LEASE_MS = 30_000

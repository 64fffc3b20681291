import type { Claim, Mode, PreviousHolder } from '../model.ts'
import type { Duration } from '../time/duration.ts'

/** What a holder is told when somebody starts to wait for its lock. */
export interface Wanted {
  /** Claims that wait for this lock; counting stops at 1 000. */
  readonly waiters: number
}

/** A lock that was acquired: the lease on its resources, until it is released or lost. */
export interface Lock extends AsyncDisposable {
  /** Everything that it locks, all together. */
  readonly resources: readonly Claim[]
  /** The first of its resources. */
  readonly resourceId: string
  readonly agentId: string
  /** `exclusive` if it is so for any of its resources. */
  readonly mode: Mode
  /** Greater than that of every earlier lock of the namespace. Hand it to whatever the lock protects. */
  readonly fencingToken: number
  readonly lockedAt: Date
  /** When it ends by itself unless it is extended, by the store's clock. */
  readonly expiresAt: Date
  /** Who held these resources before, whichever of them ended last. `undefined`: not known. */
  readonly previous: PreviousHolder | undefined
  /** Aborts when the lock is lost, with the {@link LockLostError} as its reason; not on release. */
  readonly signal: AbortSignal
  /** Whether it may still be relied upon. False as soon as the lease could be over, whatever the store says. */
  readonly isHeld: boolean
  /** Milliseconds for which it may still be relied upon; 0 once it is lost or released. */
  remainingMs(): number
  /**
   * @throws LockLostError once it is lost
   * @throws NotHeldError once it is released
   */
  assertHeld(): void
  /**
   * Moves the expiry to now + duration, never earlier than it stands.
   *
   * @param duration default: the `timeout` that it was acquired with
   * @throws LockLostError once it is lost
   * @throws NotHeldError once it is released
   * @throws StoreUnavailableError if the store did not answer; the expiry stands as it did
   */
  extend(duration?: Duration): Promise<void>
  /** Calls back when somebody starts to wait for this lock, so that a polite holder can let go early. Returns the end of that. */
  onWanted(handler: (wanted: Wanted) => unknown): () => void
  /**
   * Lets go. Resolves with false if the lock was lost already; calling it again gives the same answer.
   *
   * @throws StoreUnavailableError if the store did not answer; the lock then ends by its expiry at the latest
   */
  release(): Promise<boolean>
}

import { lostMessage } from '../../core/error-messages.ts'
import { LockLostError } from '../../core/errors.ts'
import type { Lock } from '../../core/lock/lock.ts'
import type { Loss } from '../../core/model.ts'
import type { Command } from './command.ts'
import type { Guardian } from './guardian.ts'

/** A machine that slept, or a clock that was set, is noticed within this time. */
const LONGEST_NAP_MS = 1_000

/** How much of what a renewal gave is kept for an orderly end: SIGTERM at its start, SIGKILL at its end. */
const SHARE_FOR_END = 1 / 5

/**
 * SIGKILL comes this much before our deadline, which itself comes before the store's: timers may be late, and the
 * guardian has to look for what it kills, which takes a few tenths of a second on a machine that is busy.
 */
const KILL_AHEAD_MS = 500

/** How long what was killed may take to be gone. */
const GONE_WITHIN_MS = 2_000

/**
 * Ends the command, and all that it has started, when its lease ends.
 *
 * - **The store does not answer.** The lease is renewed at a third of its length, and again and again after that. When
 *   only a fifth of what the last renewal gave is left (`--kill-after` at the most) the command gets SIGTERM. SIGKILL
 *   follows just before the lease's deadline as this client reckons it (which is `max(50 ms, 1 %)` of the lease before
 *   it could end at the store), so nobody else can have been granted the lock by then. With the default lease of 30 s
 *   that is SIGTERM about 25 s after the last renewal, and SIGKILL less than 5 s later. Once it was told to end it must
 *   end, also if the store answers after all.
 * - **Forced away** by somebody with `unlock --force`, who has decided that the lock ends now: SIGTERM, and SIGKILL
 *   after `--kill-after`.
 * - **Lost in any other way** (the store says that it has run out, has lost its data, or we stood still for too long):
 *   the lock can be somebody else's at this moment, so SIGKILL at once.
 *
 * Not possible: to end anything while this process itself is stopped. The guardian does that, except where it is
 * stopped, too. A machine that sleeps runs neither; what it ran goes on for up to a second after it wakes.
 */
export class LeaseWatch {
  readonly #lock: Lock
  readonly #command: Command
  readonly #guardian: Guardian
  readonly #killAfterMs: number
  #timer: NodeJS.Timeout | undefined
  #deadlineMs = -Infinity
  /** How much of the lease is kept for an orderly end. */
  #reserveMs = 0
  /** How much of that is kept for SIGKILL: by us, or by the guardian if we stand still. */
  #aheadMs = 0
  #killAtMs = Infinity
  #lost: LockLostError | undefined
  #killing: Promise<void> | undefined

  constructor(lock: Lock, command: Command, guardian: Guardian, killAfterMs: number) {
    this.#lock = lock
    this.#command = command
    this.#guardian = guardian
    this.#killAfterMs = killAfterMs
    lock.signal.addEventListener('abort', this.look, { once: true })
    this.look()
  }

  /** Compares the lease with the clock. Called whenever something may have changed. */
  readonly look = (): void => {
    clearTimeout(this.#timer)
    if (this.#killing !== undefined) return
    const leftMs = this.#lock.remainingMs()
    // Where we stood still the lease may be renewed after all, but the command is dead.
    if (!this.#lock.isHeld || this.#guardian.hasStruck()) this.#onLoss(this.#lock.signal.reason)
    else if (this.#lost === undefined) this.#onHeld(leftMs)
    const killInMs = Math.min(this.#killAtMs, this.#killBefore()) - performance.now()
    if (this.#lost !== undefined && killInMs <= 0) this.#kill()
    else this.#lookIn(this.#lost === undefined ? leftMs - this.#reserveMs : killInMs)
  }

  /**
   * The command itself has ended. If it was told to, what it has started is ended as well; otherwise what it leaves
   * behind is its own affair.
   *
   * @returns why the command was told to end, if it was
   */
  async finish(): Promise<LockLostError | undefined> {
    if (this.#lost === undefined) this.look()
    while (this.#lost !== undefined && this.#killing === undefined && !this.#command.isGone) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await this.#killing
    clearTimeout(this.#timer)
    this.#lock.signal.removeEventListener('abort', this.look)
    return this.#lost
  }

  #onHeld(leftMs: number): void {
    const deadlineMs = performance.now() + leftMs
    if (deadlineMs > this.#deadlineMs + 1) {
      this.#deadlineMs = deadlineMs
      this.#reserveMs = Math.min(this.#killAfterMs, leftMs * SHARE_FOR_END)
      this.#aheadMs = Math.min(KILL_AHEAD_MS, this.#reserveMs / 2)
    }
    this.#guardian.until(Math.max(0, leftMs - this.#aheadMs))
    if (leftMs > this.#reserveMs) return
    this.#lost = this.#lossOf({ kind: 'unreachable' })
    this.#killAtMs = performance.now() + this.#killAfterMs
    this.#command.signalAll('SIGTERM')
  }

  #onLoss(reason: unknown): void {
    const loss = reason instanceof LockLostError ? reason.loss : ({ kind: 'expired' } as const)
    if (this.#lost === undefined && loss.kind === 'forced') {
      this.#killAtMs = performance.now() + this.#killAfterMs
      // The guardian knows only of the lease; this end has a time of its own.
      this.#guardian.until(this.#killAfterMs + GONE_WITHIN_MS)
      this.#command.signalAll('SIGTERM')
    } else if (loss.kind !== 'forced') this.#killAtMs = -Infinity
    this.#lost ??= this.#lossOf(loss)
  }

  /** When the lease, while it is still ours, must not have a command any more. */
  #killBefore(): number {
    if (!this.#lock.isHeld) return Infinity
    return performance.now() + this.#lock.remainingMs() - this.#aheadMs
  }

  #kill(): void {
    this.#killing = this.#command.killAll(GONE_WITHIN_MS)
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(this.look, Math.min(Math.max(1, Math.ceil(ms)), LONGEST_NAP_MS))
  }

  #lossOf(loss: Loss): LockLostError {
    const { resources } = this.#lock
    return new LockLostError(lostMessage({ resources, loss }), { resources, loss })
  }
}

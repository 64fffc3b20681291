import { busyMessage, type Contention, deadlockMessage, timeoutMessage, tooLateMessage } from '../error-messages.ts'
import { DeadlockError, LockBusyError, LockTimeoutError, StoreUnavailableError } from '../errors.ts'
import { cycleOf, dateOf, lockInfoOf, type StoreTime } from '../info.ts'
import { randomId } from '../random-id.ts'
import type { Reply } from '../session/pipeline.ts'
import type { Session, Waiter } from '../session/session.ts'
import type { AcquireOutcome, BusyView, CancelOutcome, CycleView, GrantView, Message } from '../store.ts'
import { Deadline, Stopwatch, type Timer } from '../time/clock.ts'
import { Lease } from './lease.ts'
import { acquireStep, type LockRequest } from './request.ts'

/**
 * One call of `acquire`, from the first step to the lease or the error: it asks, waits in line, leaves the line when
 * its time is up or its signal aborts, and starts again when the store has forgotten it.
 */
export class Acquisition implements Waiter {
  readonly #session: Session
  readonly #request: LockRequest
  readonly #since: Stopwatch
  #token = randomId()
  #resolve: (lease: Lease) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  /** The place in line, while there is one. */
  #id: number | undefined
  /** When it came there, on the store's lease clock. */
  #queuedAt = 0
  #isOver = false
  #isOutOfTime = false
  #wasContended = false
  /** How it ended has been told. */
  #isTold = false
  #timer: Timer | undefined

  private constructor(session: Session, request: LockRequest) {
    this.#session = session
    this.#request = request
    this.#since = new Stopwatch(session.clock)
  }

  /** Resolves with the lease, or rejects with why there is none. */
  static async run(session: Session, request: LockRequest): Promise<Lease> {
    request.signal?.throwIfAborted()
    const acquisition = new Acquisition(session, request)
    const result = new Promise<Lease>((resolve, reject) => {
      acquisition.#resolve = resolve
      acquisition.#reject = reject
    })
    acquisition.#start()
    return result
  }

  /** The store forgot this request's place: it asks again, at the end of the line, while its time lasts. */
  rejoin(): void {
    const id = this.#id
    this.#id = undefined
    if (this.#isOver) return
    if (id !== undefined) this.#cancel(id)
    this.#ask()
  }

  onGrant(message: Message & { readonly type: 'granted' }): void {
    this.#leaveLine()
    const { ttlMs } = this.#request
    const { deadMs, lastAnswered } = this.#session
    const grantedAt = this.#queuedAt + message.waitedMs
    const until = new Deadline(lastAnswered, Math.min(ttlMs, deadMs))
    // Until the store knows that the grant has arrived, it holds no longer than the session's silence may last. A lease
    // that is shorter than that is confirmed before it is used.
    if (ttlMs >= deadMs && until.remainingMs() > 0) {
      const lease = this.#grant(message, until, false)
      this.#session.addUnconfirmed({
        number: message.number,
        confirmed: (sent, time) => this.#prolong(lease, sent, this.#confirmedMs(grantedAt, time), time),
      })
      return
    }
    this.#session.addWait(message.id, this)
    this.#id = message.id
    this.#session.addUnconfirmed({
      number: message.number,
      confirmed: (sent, time) => this.#onConfirmed(message, sent, grantedAt, time),
    })
    this.#session.pipeline.beat()
  }

  onDeadlock(message: Message & { readonly type: 'deadlock' }): void {
    this.#leaveLine()
    this.#failDeadlocked(message.cycle, message.cursor)
  }

  /** The grant was lost before it could be used. */
  onLost(): void {
    this.#leaveLine()
    this.rejoin()
  }

  /** Ends the call with an error; a place in line, or a lease that is still to come, is given back. */
  fail(error: unknown): void {
    if (this.#isOver) return
    const id = this.#id
    this.#finish()
    this.#leaveLine()
    if (this.#wasContended && !this.#isTold) this.#session.observer.abandoned(this.#request, this.#since.elapsedMs())
    if (id !== undefined) this.#cancel(id)
    this.#reject(error)
  }

  #start(): void {
    const { waitMs, signal } = this.#request
    this.#session.addAcquisition(this)
    if (this.#isOver) return
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (waitMs > 0 && waitMs < Infinity) {
      this.#timer = this.#session.clock.after(waitMs, () => this.#onTimeout())
      this.#timer.keepAlive(true)
    }
    this.#ask()
  }

  #onAbort = (): void => {
    this.fail(this.#request.signal?.reason)
  }

  #ask(): void {
    const leftMs = Math.max(0, this.#request.waitMs - this.#since.elapsedMs())
    // A step of its own needs a token of its own: what an earlier one may still bring is not this one's.
    this.#token = randomId()
    const step = acquireStep(this.#request, this.#token, Math.ceil(leftMs))
    this.#session.pipeline.submit(step, {
      onReply: (reply) => (this.#isOver ? this.#session.undo(step, reply.outcome) : this.#onReply(reply)),
      onError: (error) => this.fail(error),
    })
  }

  #onReply({ outcome, answer, sent }: Reply<AcquireOutcome>): void {
    switch (outcome.type) {
      case 'granted':
      case 'entered':
        this.#grant(outcome, new Deadline(sent, outcome.expiresAt - answer.now), true)
        return
      case 'waiting':
        this.#queuedAt = answer.now
        return this.#wait(outcome.id, outcome.cursor)
      case 'busy':
        return this.#failBusy(outcome)
      case 'deadlock':
        return this.#failDeadlocked(outcome.cycle, outcome.cursor)
      case 'again':
        return this.#ask()
    }
  }

  #wait(id: number, cursor: string | null): void {
    if (!this.#wasContended) this.#session.observer.waiting(this.#request, cursor)
    this.#wasContended = true
    this.#id = id
    this.#session.addWait(id, this)
    if (this.#isOutOfTime) this.#onTimeout()
  }

  #onTimeout(): void {
    this.#isOutOfTime = true
    const id = this.#id
    if (this.#isOver || id === undefined) return
    this.#leaveLine()
    this.#session.pipeline.submit(
      { type: 'cancel', id, token: this.#token, explain: this.#request.claims },
      {
        onReply: ({ outcome }) => this.#failTimedOut(outcome),
        onError: (error) => this.fail(error),
      },
    )
  }

  #failTimedOut(outcome: Pick<CancelOutcome, 'holders' | 'ahead' | 'cursor'>): void {
    if (this.#isOver) return
    const contention = this.#contention(outcome)
    const waitedMs = this.#since.elapsedMs()
    this.#isTold = true
    this.#session.observer.timedOut(this.#request, waitedMs, outcome.cursor)
    this.fail(new LockTimeoutError(timeoutMessage(contention, this.#request.waitMs), contention))
  }

  #failBusy(outcome: BusyView): void {
    // Time ran out while the request was not in line, because the store had forgotten it.
    if (this.#request.waitMs > 0) return this.#failTimedOut({ ...outcome, cursor: null })
    const contention = this.#contention(outcome)
    this.#session.observer.busy(this.#request)
    this.fail(new LockBusyError(busyMessage(contention), contention))
  }

  #failDeadlocked(view: readonly CycleView[], cursor: string | null): void {
    const cycle = cycleOf(view, this.#session.time)
    this.#isTold = true
    this.#session.observer.deadlocked(this.#request, this.#wasContended, cursor)
    this.fail(new DeadlockError(deadlockMessage(cycle), { cycle, resources: this.#request.claims }))
  }

  #contention(view: Pick<BusyView, 'holders' | 'ahead'>): Contention {
    const holders = view.holders.map((holder) => lockInfoOf(holder, this.#session.time))
    return { resources: this.#request.claims, holders, ahead: view.ahead }
  }

  #onConfirmed(grant: GrantView, sent: Stopwatch, grantedAt: number, time: StoreTime): void {
    if (this.#isOver || this.#id !== grant.id) return
    this.#leaveLine()
    const leaseMs = this.#confirmedMs(grantedAt, time)
    this.#prolong(this.#grant(grant, new Deadline(sent, leaseMs), true), sent, leaseMs, time)
  }

  /** The store was told that the grant has arrived: the lease is full from then on. */
  #prolong(lease: Lease, sent: Stopwatch, leaseMs: number, time: StoreTime): void {
    this.#session.prolong(lease, new Deadline(sent, leaseMs), dateOf(time.now + leaseMs, time))
  }

  /** How long a lease lasts from when it was confirmed. `maxHold` counts from the grant. */
  #confirmedMs(grantedAt: number, { now }: StoreTime): number {
    const { ttlMs, maxHoldMs } = this.#request
    return maxHoldMs === null ? ttlMs : Math.min(ttlMs, grantedAt + maxHoldMs - now)
  }

  #grant(grant: GrantView, deadline: Deadline, isConfirmed: boolean): Lease {
    this.#finish()
    const ref = { id: grant.id, token: this.#token }
    const lease = new Lease(this.#session, this.#request, ref, grant, deadline, isConfirmed)
    if (this.#session.addLease(lease, this.#request)) {
      this.#session.observer.granted(this.#request, grant, this.#wasContended ? this.#since.elapsedMs() : 0)
    }
    // No one may start to work under a lock that is over.
    if (lease.isHeld) this.#resolve(lease)
    else
      this.#reject(new StoreUnavailableError(tooLateMessage(this.#request.claims), { resources: this.#request.claims }))
    if (grant.waiters > 0) lease.want(grant.waiters)
    return lease
  }

  /** If this does not reach the store, its own clock ends the wait, or the session's death does. */
  #cancel(id: number): void {
    this.#session.pipeline.send({ type: 'cancel', id, token: this.#token, explain: null })
  }

  #leaveLine(): void {
    if (this.#id !== undefined) this.#session.removeWait(this.#id)
    this.#id = undefined
  }

  #finish(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
    this.#session.removeAcquisition(this)
  }
}

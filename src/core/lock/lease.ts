import { inspect } from 'node:util'
import { lostMessage, notHeld } from '../error-messages.ts'
import { InvalidRequestError, LockLostError } from '../errors.ts'
import { dateOf, previousOf } from '../info.ts'
import type { Claim, Loss, Mode, PreviousHolder } from '../model.ts'
import { modeOf } from '../resource/resource.ts'
import type { Holder } from '../session/leases.ts'
import type { Reply } from '../session/pipeline.ts'
import type { Session } from '../session/session.ts'
import type { ExtendStep, GrantView, RequestRef } from '../store.ts'
import { Deadline, type Timer } from '../time/clock.ts'
import { type Duration, parseDuration } from '../time/duration.ts'
import type { Lock, Wanted } from './lock.ts'
import { LEASE_LIMITS, type LockRequest } from './request.ts'
import { WantedHandlers } from './wanted.ts'

type State = 'held' | 'releasing' | 'released' | 'lost'

/** How much of a lease passes before it is renewed, and how much that varies so that renewals spread out. */
const RENEW_AFTER = 1 / 3
const RENEW_JITTER = 0.1

let readRef: (lease: Lease) => RequestRef

/**
 * The proof of ownership of a lock, for re-entry into it. Nothing that a user can reach leads here.
 *
 * @throws InvalidRequestError if this is no lock of this package
 */
export function refOf(lock: Lock): RequestRef {
  if (lock instanceof Lease) return readRef(lock)
  throw new InvalidRequestError('holding: this is not a lock that was acquired with this package.')
}

/**
 * The one implementation of {@link Lock}. A lease is held until it was released or lost, and it is lost for good.
 *
 * It judges by its own deadline, which comes before the store's: measured from when the request was sent, and checked
 * in every call as well as by a timer. An answer that did not arrive never moves it.
 */
export class Lease implements Lock, Holder {
  static {
    readRef = (lease) => lease.#ref
    // What `console.log` shows of it; a method of that name cannot be declared with a type of its own.
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: Lease): string {
        return `Lock ${inspect(this.toJSON())}`
      },
    })
  }

  readonly #session: Session
  readonly #request: LockRequest
  readonly #ref: RequestRef
  readonly #grant: GrantView
  #state: State = 'held'
  #deadline: Deadline
  #expiresAt: Date
  #loss: LockLostError | undefined
  #releasing: Promise<boolean> | undefined
  #controller: AbortController | undefined
  #signal: AbortSignal | undefined
  #deadlineTimer: Timer | undefined
  #renewTimer: Timer | undefined
  /** Something that would move the deadline has been asked for and not been answered. */
  #isOverdue: boolean
  #wantedHandlers: WantedHandlers | undefined
  #waiters = 0

  /** @param isConfirmed whether the store knows that the grant has arrived */
  constructor(
    session: Session,
    request: LockRequest,
    ref: RequestRef,
    grant: GrantView,
    deadline: Deadline,
    isConfirmed: boolean,
  ) {
    this.#session = session
    this.#request = request
    this.#ref = ref
    this.#grant = grant
    this.#deadline = deadline
    this.#isOverdue = !isConfirmed
    this.#expiresAt = dateOf(grant.expiresAt, session.time)
    this.#watch()
    if (request.autoExtend) this.#renewLater()
  }

  get id(): number {
    return this.#ref.id
  }

  get resources(): readonly Claim[] {
    return this.#request.claims
  }

  get resourceId(): string {
    return this.#request.claims[0]?.resourceId ?? ''
  }

  get agentId(): string {
    return this.#request.agentId
  }

  get mode(): Mode {
    return modeOf(this.#request.claims)
  }

  get fencingToken(): number {
    return this.#grant.fence
  }

  get lockedAt(): Date {
    return new Date(this.#grant.wallLockedAt)
  }

  get expiresAt(): Date {
    return new Date(this.#expiresAt)
  }

  get previous(): PreviousHolder | undefined {
    const last = this.#grant.previous.toSorted((a, b) => b.wallUntil - a.wallUntil)[0]
    return last === undefined ? undefined : previousOf(last)
  }

  get signal(): AbortSignal {
    this.#check()
    // Made when first asked for: most locks are held without anybody looking.
    this.#controller ??= new AbortController()
    if (this.#loss !== undefined) this.#controller.abort(this.#loss)
    this.#signal ??= this.#controller.signal
    return this.#signal
  }

  get isHeld(): boolean {
    this.#check()
    return this.#state === 'held'
  }

  remainingMs(): number {
    this.#check()
    return this.#state === 'held' ? Math.max(0, this.#deadline.remainingMs()) : 0
  }

  assertHeld(): void {
    this.#check()
    if (this.#loss !== undefined) throw this.#loss
    if (this.#state !== 'held') throw notHeld(this)
  }

  async extend(duration?: Duration): Promise<void> {
    const ttlMs = duration === undefined ? this.#request.ttlMs : parseDuration(duration, 'duration', LEASE_LIMITS)
    this.assertHeld()
    this.#isOverdue = true
    const reply = await this.#session.pipeline.run(this.#extension(ttlMs, false))
    if (reply.outcome.type === 'gone') this.lose({ kind: 'expired' })
    else this.#onExtended(reply.outcome.expiresAt, ttlMs, reply)
    this.assertHeld()
    if (reply.outcome.type === 'extended') {
      this.#session.observer.extended(this.#request, this.fencingToken, reply.outcome.cursor)
    }
  }

  onWanted(handler: (wanted: Wanted) => unknown): () => void {
    if (this.#wantedHandlers === undefined) {
      this.#wantedHandlers = new WantedHandlers()
      this.#wantedHandlers.tell(this.#waiters)
    }
    return this.#wantedHandlers.add(handler)
  }

  release(): Promise<boolean> {
    this.#check()
    this.#releasing ??= this.#state === 'held' ? this.#release() : Promise.resolve(false)
    return this.#releasing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  toJSON(): object {
    const { resources, agentId, mode, fencingToken, lockedAt, expiresAt, isHeld } = this
    return { resources, agentId, mode, fencingToken, lockedAt, expiresAt, isHeld }
  }

  /** Makes the lock's signal abort when this one does, too. */
  follow(outer: AbortSignal): void {
    this.#signal = AbortSignal.any([this.signal, outer])
  }

  /** Why the lock was lost, if it was. */
  get loss(): LockLostError | undefined {
    this.#check()
    return this.#loss
  }

  /** The lease at the store ends then: its grant was confirmed, or a handle that shares it has extended it. */
  prolong(deadline: Deadline, expiresAt: Date): void {
    if (this.#state !== 'held') return
    if (this.loss !== undefined) return
    this.#isOverdue = false
    if (expiresAt > this.#expiresAt) this.#expiresAt = expiresAt
    if (deadline.remainingMs() <= this.#deadline.remainingMs()) return
    this.#deadline = deadline
    this.#watch()
  }

  /** Somebody started to wait for this lock. */
  want(waiters: number): void {
    this.#waiters = waiters
    this.#wantedHandlers?.tell(waiters)
  }

  /** The session was taken for dead: is the lease still there? */
  verify(): void {
    this.#ask('send', 0, (expiresAt, { answer, sent }) => {
      if (this.#state !== 'held') return
      // Also where that is earlier than was known: a store that went back has forgotten extensions.
      this.#isOverdue = false
      this.#expiresAt = dateOf(expiresAt, answer)
      this.#deadline = new Deadline(sent, expiresAt - answer.now)
      this.#watch()
    })
  }

  /** Ends the handle for good. What may still stand at the store is released as soon as it can be reached. */
  lose(loss: Loss, cursor: string | null = null): void {
    const wasReleasing = this.#state === 'releasing'
    if (this.#hasEnded() || (wasReleasing && loss.kind === 'closed')) return
    this.#state = 'lost'
    this.#loss = new LockLostError(lostMessage({ resources: this.resources, loss }), {
      loss,
      resources: this.resources,
    })
    this.#stop()
    const ended = this.#session.removeLease(this)
    if (ended !== undefined) this.#session.observer.lost(ended, this.fencingToken, loss, cursor)
    if (!wasReleasing && loss.kind !== 'forced' && loss.kind !== 'epoch') this.#letGo(loss.kind !== 'closed')
    this.#controller?.abort(this.#loss)
  }

  async #release(): Promise<boolean> {
    this.#state = 'releasing'
    this.#renewTimer?.cancel()
    const step = { type: 'release', ...this.#ref, expired: false } as const
    try {
      const { outcome } = await this.#session.pipeline.run(step)
      if (outcome.released) this.#endReleased(outcome.cursor)
      else this.lose({ kind: 'expired' })
    } catch (error) {
      const isLost = this.#hasEnded()
      this.#letGo(isLost)
      if (isLost) return false
      this.#endReleased(null)
      throw error
    }
    return this.#loss === undefined
  }

  #hasEnded(): boolean {
    return this.#state === 'released' || this.#state === 'lost'
  }

  #endReleased(cursor: string | null): void {
    if (this.#hasEnded()) return
    this.#state = 'released'
    this.#stop()
    const ended = this.#session.removeLease(this)
    if (ended !== undefined) this.#session.observer.released(ended, this.fencingToken, cursor)
  }

  #letGo(expired: boolean): void {
    this.#session.pipeline.send({ type: 'release', ...this.#ref, expired })
  }

  #check(): void {
    if (!this.#hasEnded() && this.#deadline.remainingMs() <= 0) {
      this.lose({ kind: this.#isOverdue ? 'unreachable' : 'expired' })
    }
  }

  #watch(): void {
    this.#deadlineTimer?.cancel()
    this.#deadlineTimer = this.#session.clock.after(Math.ceil(Math.max(0, this.#deadline.remainingMs())), () => {
      this.#check()
      if (!this.#hasEnded()) this.#watch()
    })
  }

  #onExtended(expiresAt: number, askedMs: number, { answer, sent }: Reply): void {
    const leaseMs = expiresAt - answer.now
    this.#session.prolong(this, new Deadline(sent, leaseMs), dateOf(expiresAt, answer))
    // It has come up against its longest hold: renewing it again would change nothing.
    if (leaseMs < askedMs) this.#renewTimer?.cancel()
  }

  #renewLater(): void {
    const spread = 1 + RENEW_JITTER * (2 * this.#session.chance.fraction() - 1)
    const afterMs = this.#request.ttlMs * RENEW_AFTER * spread
    this.#renewTimer = this.#session.clock.after(afterMs, () => {
      this.#isOverdue = true
      const { ttlMs } = this.#request
      this.#ask('submit', ttlMs, (expiresAt, reply) => this.#onExtended(expiresAt, ttlMs, reply))
      this.#renewLater()
    })
  }

  #extension(ttlMs: number, automatic: boolean): ExtendStep {
    return { type: 'extend', ...this.#ref, fence: this.fencingToken, ttlMs, automatic }
  }

  #ask(how: 'send' | 'submit', ttlMs: number, onExtended: (expiresAt: number, reply: Reply) => void): void {
    this.#session.pipeline[how](this.#extension(ttlMs, true), {
      onReply: (reply) => {
        if (reply.outcome.type === 'extended') onExtended(reply.outcome.expiresAt, reply)
        // The same answer may hold a message that says why, and comes right after this.
        else queueMicrotask(() => this.lose({ kind: 'expired' }))
      },
      // A renewal was not heard: the next one follows, and the deadline stands as it did.
      onError: () => {},
    })
  }

  #stop(): void {
    this.#deadlineTimer?.cancel()
    this.#renewTimer?.cancel()
  }
}

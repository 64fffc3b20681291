import { type Chance, systemChance } from '../chance.ts'
import { ClosedError } from '../errors.ts'
import type { StoreTime } from '../info.ts'
import type { Ended, Observed, Observer } from '../reporting/observer.ts'
import type { Answer, Batch, GrantView, LockStore, Message, Outcome, Step, Subscription } from '../store.ts'
import { type Clock, type Deadline, Stopwatch, type Timer } from '../time/clock.ts'
import { OUT_OF_TIME, patiently } from '../time/patience.ts'
import { TurnoverMap } from '../turnover.ts'
import { Confirmations, type Unconfirmed } from './confirmations.ts'
import { Knowledge } from './knowledge.ts'
import { type Holder, Leases } from './leases.ts'
import { PATIENCE_MS, Pipeline, type PipelineOwner, unanswered } from './pipeline.ts'

/** A session is dead after three heartbeats without a sign of life. */
const BEATS_TO_DEATH = 3

/** Somebody in this process who waits for a lock, as the session needs to know them. */
export interface Waiter {
  onGrant(message: Message & { readonly type: 'granted' }): void
  onDeadlock(message: Message & { readonly type: 'deadlock' }): void
  /** A grant was lost before it could be used. */
  onLost(): void
  /** The store forgot the place in line. */
  rejoin(): void
  fail(error: unknown): void
}

/**
 * One connected manager, as the store sees it: its heartbeat, its outbox, its subscription, and who in this process
 * waits and holds. It turns what the store says into calls on each {@link Waiter} and {@link Holder}.
 */
export class Session {
  readonly clock: Clock
  readonly chance: Chance
  readonly observer: Observer
  readonly deadMs: number
  readonly pipeline: Pipeline
  readonly #store: LockStore
  /** 128 random bits, secret: channel names derive from it. */
  readonly #id: string
  readonly #waits = new TurnoverMap<number, Waiter>()
  readonly #acquisitions = new TurnoverMap<Waiter, Waiter>()
  readonly #leases = new Leases()
  readonly #confirmations = new Confirmations()
  #epoch: string | null = null
  readonly #knowledge = new Knowledge()
  #lastAnswered: Stopwatch
  #time: StoreTime
  /** Messages that came by push and wait for their turn. */
  #early: Message[] = []
  #subscription: Promise<Subscription> | undefined
  #isListening = false
  #heartbeat: Timer | undefined
  #wake: Timer | undefined
  /** The store has rows of this session. */
  #isKnown = false
  #closed = false

  constructor(store: LockStore, clock: Clock, observer: Observer, heartbeatMs: number, chance: Chance = systemChance) {
    this.#store = store
    this.clock = clock
    this.chance = chance
    this.#id = chance.id()
    this.observer = observer
    this.deadMs = heartbeatMs * BEATS_TO_DEATH
    this.#lastAnswered = new Stopwatch(clock)
    this.#time = { now: 0, wallNow: clock.wallMs() }
    this.pipeline = new Pipeline(store, this.#owner(), clock)
  }

  /** Runs since the last batch was sent that is answered. A lease that arrives by push was granted after that. */
  get lastAnswered(): Stopwatch {
    return this.#lastAnswered
  }

  /** What the store's two clocks said last. */
  get time(): StoreTime {
    return this.#time
  }

  /**
   * Resolves once what happens to this session is pushed to it; only then may it hold or join a line.
   *
   * @throws StoreUnavailableError if the store does not answer
   * @throws the signal's own reason as soon as it aborts
   */
  async listen(signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new ClosedError('The lock manager is closed.')
    if (this.#isListening) return
    this.#subscription ??= this.#subscribe()
    const patience = { clock: this.clock, ms: PATIENCE_MS, signal }
    if ((await patiently(this.#subscription, patience)) === OUT_OF_TIME) throw unanswered(this.#store)
    this.#isListening = true
  }

  /** Calls back soon after the event log has grown. */
  follow(onGrowth: () => void): Promise<Subscription> {
    return this.#store.follow(onGrowth)
  }

  addAcquisition(acquisition: Waiter): void {
    if (this.#closed) return acquisition.fail(new ClosedError('The lock manager is closed.'))
    this.#isKnown = true
    this.#acquisitions.set(acquisition, acquisition)
  }

  removeAcquisition(acquisition: Waiter): void {
    this.#acquisitions.delete(acquisition)
  }

  addWait(id: number, acquisition: Waiter): void {
    this.#waits.set(id, acquisition)
    this.#keepBeating()
    // Somebody awaits a lock: the process must not end under them.
    if (this.#waits.size === 1) this.#heartbeat?.keepAlive(true)
  }

  removeWait(id: number): void {
    this.#waits.delete(id)
    if (this.#waits.size === 0) this.#heartbeat?.keepAlive(false)
  }

  /** Returns whether this is the first handle of the lease in this process. */
  addLease(lease: Holder, request: Observed): boolean {
    this.#keepBeating()
    return this.#leases.add(lease, request, this.clock)
  }

  /** Returns the lease if this was its last handle in this process. */
  removeLease(lease: Holder): Ended | undefined {
    return this.#leases.remove(lease)
  }

  /** A lease ends later than was known: all handles that share it have that. */
  prolong(lease: Holder, deadline: Deadline, expiresAt: Date): void {
    for (const each of this.#leases.with(lease)) each.prolong(deadline, expiresAt)
  }

  addUnconfirmed(unconfirmed: Unconfirmed): void {
    this.#confirmations.add(unconfirmed)
  }

  /** Gives back all that is held, leaves every line, says goodbye. Waits for the store no longer than its patience. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const acquisition of this.#acquisitions.values())
      acquisition.fail(new ClosedError('The lock manager was closed.'))
    for (const lease of this.#leases.every()) lease.lose({ kind: 'closed' })
    this.#heartbeat?.cancel()
    this.#wake?.cancel()
    const patience = { clock: this.clock, ms: PATIENCE_MS }
    if (this.#isKnown)
      await patiently(
        this.pipeline.run({ type: 'goodbye' }).catch(() => {}),
        patience,
      )
    await patiently(Promise.all([this.pipeline.stop(), this.#unsubscribe()]), patience)
    await patiently(this.#store.close(), patience)
  }

  async #subscribe(): Promise<Subscription> {
    try {
      return await this.#store.subscribe(this.#id, {
        onMessages: (messages) => this.#onPush(messages),
        onInterruption: () => this.pipeline.beat(),
      })
    } catch (error) {
      this.#subscription = undefined
      throw error
    }
  }

  async #unsubscribe(): Promise<void> {
    const subscription = await this.#subscription?.catch(() => undefined)
    await subscription?.close().catch(() => {})
  }

  #owner(): PipelineOwner {
    return {
      header: () => ({
        session: this.#id,
        epoch: this.#epoch,
        deadMs: this.deadMs,
        ...this.#knowledge.header,
      }),
      note: (answer) => this.#knowledge.note(answer),
      onAnswer: (answer, batch, sent, deliver) => this.#onAnswer(answer, batch, sent, deliver),
      onStoreAnswered: (tookMs, error) => {
        this.observer.storeAnswered(tookMs, error === undefined ? 'ok' : 'error')
      },
      onLateReply: (step, outcome) => this.undo(step, outcome),
    }
  }

  #onAnswer(answer: Answer, batch: Batch, sent: Stopwatch, deliver: () => void): void {
    const isNewEpoch = this.#epoch !== null && this.#epoch !== answer.epoch
    this.#epoch = answer.epoch
    this.#time = { now: answer.now, wallNow: answer.wallNow }
    if (isNewEpoch) this.#onNewEpoch()
    else if (answer.fresh) this.#onRebirth()
    else this.#knowledge.acknowledge(batch.acked)
    if (answer.outcomes === null) return
    // First the outcomes: a message may be about a request that this very batch has put into line.
    deliver()
    for (const message of answer.messages) this.#receive(message)
    this.#takeEarly(() => true)
    this.#confirmations.onAnswer(batch, sent, answer)
    // What this answer had no room for was granted before it.
    if (!answer.more) this.#lastAnswered = sent
    if (answer.more) this.pipeline.beat()
    this.#askAgainForEarly()
    this.#wakeIn(answer.wakeAt === null ? Infinity : answer.wakeAt - answer.now)
  }

  /** The store lost its data: every handle is lost, every wait starts again. */
  #onNewEpoch(): void {
    this.#knowledge.startAnew()
    this.#early = []
    this.#confirmations.clear()
    for (const lease of this.#leases.every()) lease.lose({ kind: 'epoch' })
    this.#rejoin()
  }

  /**
   * The store took the session for dead, or lost what it did lately: its places in line are gone, and what it had not
   * confirmed; its other leases may still stand. If it had forgotten the session it counts its messages from 1 again.
   */
  #onRebirth(): void {
    this.#knowledge.startOver()
    this.#confirmations.clear()
    this.#askAgainForEarly()
    this.#rejoin()
    for (const lease of this.#leases.every()) lease.verify()
  }

  #rejoin(): void {
    const waiting = this.#waits.values()
    this.#waits.clear()
    this.#heartbeat?.keepAlive(false)
    for (const acquisition of waiting) acquisition.rejoin()
  }

  #onPush(messages: readonly Message[]): void {
    if (this.#closed) return
    this.#early.push(...messages)
    // Of a request that nobody knows (yet) an answer must tell: a push may be a copy from before the session was dead.
    this.#takeEarly((id) => this.#waits.has(id) || this.#leases.has(id))
    if (!this.pipeline.isInFlight) this.#askAgainForEarly()
  }

  /** What could not be taken, because something before it is missing, comes again with the answer to a heartbeat. */
  #askAgainForEarly(): void {
    if (this.#early.length > 0) this.pipeline.beat()
    this.#early = []
  }

  #takeEarly(isReady: (id: number) => boolean): void {
    for (let [next] = this.#early; next !== undefined; [next] = this.#early) {
      const { last } = this.#knowledge
      if (next.number > last + 1 || (next.number > last && !isReady(next.id))) break
      this.#early.shift()
      this.#receive(next)
    }
  }

  #receive(message: Message): void {
    if (message.number <= this.#knowledge.last) return this.#leases.compare(message)
    this.#knowledge.add(message)
    const waiting = this.#waits.get(message.id)
    const leases = this.#leases.of(message.id)
    switch (message.type) {
      case 'granted':
        if (waiting !== undefined) waiting.onGrant(message)
        else if (leases.every((lease) => lease.fencingToken !== message.fence)) this.#handBack(message)
        break
      case 'deadlock':
        waiting?.onDeadlock(message)
        break
      case 'lost':
        waiting?.onLost()
        for (const lease of leases) lease.lose(message.loss, message.cursor)
        break
      case 'wanted':
        for (const lease of leases) lease.want(message.waiters)
        break
    }
  }

  /** Ends a lease at the store for which there is no handle. */
  #handBack({ id, fence }: GrantView): void {
    this.pipeline.send({ type: 'handBack', id, fence })
  }

  /** What a step has done whose caller had given up before its answer came is undone. */
  undo(step: Step, outcome: Outcome): void {
    // Nobody heard that the lease is gone: whoever believes in it asks again.
    if (step.type === 'extend' && outcome.type === 'gone') for (const lease of this.#leases.of(step.id)) lease.verify()
    if (step.type !== 'acquire') return
    const { token } = step
    if (outcome.type === 'granted' || outcome.type === 'entered') {
      this.pipeline.send({ type: 'release', id: outcome.id, token, expired: false })
    } else if (outcome.type === 'waiting') this.pipeline.send({ type: 'cancel', id: outcome.id, token, explain: null })
  }

  /** Keeps the heartbeat going while somebody waits or holds. Any batch counts as a beat. */
  #keepBeating(): void {
    if (this.#heartbeat !== undefined || this.#closed) return
    const beatMs = this.deadMs / BEATS_TO_DEATH
    const restMs = beatMs - this.#lastAnswered.elapsedMs()
    this.#heartbeat = this.clock.after(restMs > 0 ? restMs : beatMs, () => {
      this.#heartbeat = undefined
      if (this.#waits.size === 0 && this.#leases.size === 0) return
      if (this.#lastAnswered.elapsedMs() >= beatMs) this.pipeline.beat()
      this.#keepBeating()
    })
    this.#heartbeat.keepAlive(this.#waits.size > 0)
  }

  /** A lease that somebody waits for ends then: whoever asks first meets its expiry, and the next in line is served. */
  #wakeIn(ms: number): void {
    this.#wake?.cancel()
    this.#wake = ms < this.deadMs ? this.clock.after(Math.max(1, ms), () => this.pipeline.beat()) : undefined
  }
}

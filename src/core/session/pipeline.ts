import { ClosedError, StoreUnavailableError } from '../errors.ts'
import type { Answer, Batch, LockStore, Outcome, OutcomeOf, Step } from '../store.ts'
import { NotExecutedError } from '../store.ts'
import { type Clock, Stopwatch, type Timer } from '../time/clock.ts'
import { detached } from './activity.ts'

/** The most steps that one batch carries. */
const MAX_STEPS = 256

/** Fewer steps than this are not split: each batch has a price of its own. */
const MIN_SHARE = 64

/** How long a caller waits for a store that does not answer. */
export const PATIENCE_MS = 5_000

/** The pauses before a batch is repeated. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/** What came back for a step. */
export interface Reply<O = Outcome> {
  readonly outcome: O
  readonly answer: Answer
  /** Runs since the batch was sent for the first time. */
  readonly sent: Stopwatch
}

/** Who is told of a step's end: exactly one of the two is called, synchronously, once. */
export interface Recipient<O> {
  onReply(reply: Reply<O>): void
  onError(error: unknown): void
}

const NOBODY: Recipient<Outcome> = { onReply: () => {}, onError: () => {} }

interface Queued {
  readonly step: Step
  readonly recipient: Recipient<Outcome>
  /** Nobody waits for it, so it waits for the store as long as the session lasts. */
  readonly isBackground: boolean
  /** Its caller was told that the store does not answer; a reply that comes after all goes to the session. */
  abandoned: boolean
}

/** A batch with its answer. */
interface Landed {
  readonly batch: Batch
  readonly flying: readonly Queued[]
  readonly sent: Stopwatch
  readonly answer: Answer
}

/** What a pipeline tells the session that owns it. */
export interface PipelineOwner {
  /** The head of the next batch. */
  header(): Pick<Batch, 'session' | 'epoch' | 'acked' | 'received' | 'deadMs' | 'floor' | 'lastId'>
  /** An answer has come. What the next batch says of it is noted at once, because that may be sent first. */
  note(answer: Answer): void
  /** An answer is handed out; `deliver` gives the steps' outcomes to their callers. */
  onAnswer(answer: Answer, batch: Batch, sent: Stopwatch, deliver: () => void): void
  /** A batch was answered (`undefined`), or failed. */
  onStoreAnswered(tookMs: number, error: unknown): void
  /** The outcome of a step whose caller had given up. */
  onLateReply(step: Step, outcome: Outcome): void
}

/**
 * The line to the store: one batch in flight, numbered. What arrives meanwhile gathers into the next one, so that a
 * thousand concurrent calls cost a handful of round trips; a lone step goes out at the end of the present tick.
 *
 * A store that {@link LockStore.takesTurns} need not stand still while this process hands out an answer: the next batch
 * is sent first. For that to find something to send, many callers are split over two batches that take turns.
 *
 * A batch whose fate is unknown is repeated under its number until the store answers; callers wait for that no longer
 * than {@link PATIENCE_MS}.
 */
export class Pipeline {
  readonly #store: LockStore
  readonly #owner: PipelineOwner
  readonly #clock: Clock
  #queue: Queued[] = []
  #flight: Promise<void> | undefined
  #scheduled = false
  #beat = false
  #number = 0
  /** The number of the last batch that was answered. */
  #answered = 0
  #stopped = false
  /** Batches in a row that the store refused. */
  #refusals = 0
  #pause: { readonly end: () => void } | undefined
  /** What was answered and has not been handed out yet. */
  #landed: Landed | undefined

  constructor(store: LockStore, owner: PipelineOwner, clock: Clock) {
    this.#store = store
    this.#owner = owner
    this.#clock = clock
  }

  get isInFlight(): boolean {
    return this.#flight !== undefined
  }

  /** Sends a step and resolves with what comes back. */
  run<S extends Step>(step: S): Promise<Reply<OutcomeOf[S['type']]>> {
    return new Promise((resolve, reject) => {
      this.submit(step, { onReply: resolve, onError: reject })
    })
  }

  /** As {@link run}, but the recipient is called before any message of the same answer is looked at. */
  submit<S extends Step>(step: S, recipient: Recipient<OutcomeOf[S['type']]>): void {
    if (this.#stopped) return recipient.onError(new ClosedError('The lock manager is closed.'))
    const refusal = this.#store.refusal?.(step)
    if (refusal !== undefined) return recipient.onError(refusal)
    // A store answers a step with the outcome of that step: the pairing is the contract of OutcomeOf.
    this.#enqueue(step, recipient, false)
    if (this.#refusals > 0) this.#pause?.end()
  }

  /** Sends a step for which no caller waits, as soon as the store can be reached, however long that takes. */
  send<S extends Step>(step: S, recipient: Recipient<OutcomeOf[S['type']]> = NOBODY): void {
    if (this.#stopped) recipient.onError(new ClosedError('The lock manager is closed.'))
    else this.#enqueue(step, recipient, true)
  }

  #enqueue(step: Step, recipient: Recipient<Outcome>, isBackground: boolean): void {
    this.#queue.push({ step, recipient, isBackground, abandoned: false })
    this.#schedule()
  }

  /** Sends a batch soon, even if it has no steps: a heartbeat. */
  beat(): void {
    if (this.#stopped) return
    this.#beat = true
    this.#schedule()
  }

  /** Sends nothing any more; resolves when nothing is in flight. What was queued fails. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#pause?.end()
    this.#fail(this.#queue.splice(0), new ClosedError('The lock manager was closed.'))
    await this.#flight
  }

  #schedule(): void {
    if (this.#scheduled || this.#flight !== undefined) return
    this.#scheduled = true
    // Outside of the activity that happened to call first: what a flight sets off belongs to nobody's chain.
    detached(() =>
      queueMicrotask(() => {
        this.#scheduled = false
        if (!this.#stopped && this.#flight === undefined) this.#flight = this.#fly()
      }),
    )
  }

  /** Sends batches until there is nothing left to send. Never rejects. */
  async #fly(): Promise<void> {
    while (!this.#stopped && (this.#beat || this.#queue.length > 0)) {
      const flight = this.#sendOne()
      this.#handOut()
      this.#landed = await flight
      if (!this.#mayWait(this.#landed?.answer)) this.#handOut()
    }
    this.#handOut()
    this.#flight = undefined
  }

  /** Whether the next batch may be sent before this answer is handed out: it says nothing that the batch should know. */
  #mayWait(answer: Answer | undefined): boolean {
    if (this.#store.takesTurns !== true || answer === undefined || this.#queue.length === 0) return false
    return answer.outcomes !== null && answer.messages.length === 0 && !answer.fresh && !answer.more
  }

  #handOut(): void {
    if (this.#landed === undefined) return
    const { batch, flying, sent, answer } = this.#landed
    this.#landed = undefined
    try {
      if (answer.outcomes === null) this.#queue.unshift(...flying.filter((each) => !each.abandoned))
      this.#owner.onAnswer(answer, batch, sent, () => this.#deliver(flying, answer, sent))
    } catch (error) {
      this.#fail(flying, error)
    }
  }

  /** Half of the callers, those counted to whom an answer is handed out meanwhile; all if they are few. */
  #take(): Queued[] {
    const callers = this.#queue.length + (this.#landed?.flying.length ?? 0)
    const share = this.#store.takesTurns === true ? Math.max(MIN_SHARE, Math.ceil(callers / 2)) : MAX_STEPS
    return this.#queue.splice(0, Math.min(MAX_STEPS, share))
  }

  async #sendOne(): Promise<Landed | undefined> {
    this.#beat = false
    const flying = this.#take()
    this.#number += 1
    const batch: Batch = {
      ...this.#owner.header(),
      number: this.#number,
      answered: this.#answered,
      steps: flying.map(({ step }) => step),
    }
    const sent = new Stopwatch(this.#clock)
    const watchdog = this.#watch(flying)
    let refused: readonly Queued[] = []
    try {
      const answer = await this.#applyUntilAnswered(batch, sent)
      this.#refusals = 0
      return { batch, flying, sent, answer }
    } catch (error) {
      // What nobody waits for waits for the store.
      if (error instanceof NotExecutedError && !this.#stopped) refused = flying.filter((each) => each.isBackground)
      this.#fail(
        flying.filter((each) => !refused.includes(each)),
        error,
      )
    } finally {
      watchdog.stop()
    }
    this.#refusals = refused.length === 0 ? 0 : this.#refusals + 1
    if (refused.length === 0) return undefined
    this.#queue.unshift(...refused)
    await this.#rest(Math.min(FIRST_PAUSE_MS * 2 ** (this.#refusals - 1), LONGEST_PAUSE_MS))
    return undefined
  }

  async #applyUntilAnswered(batch: Batch, sent: Stopwatch): Promise<Answer> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const answer = await this.#store.apply(batch)
        this.#answered = batch.number
        this.#owner.note(answer)
        this.#owner.onStoreAnswered(sent.elapsedMs(), undefined)
        return answer
      } catch (error) {
        this.#owner.onStoreAnswered(sent.elapsedMs(), error)
        const isOpen = error instanceof StoreUnavailableError && !(error instanceof NotExecutedError)
        if (!isOpen || this.#stopped) throw error
        await this.#rest(pauseMs)
        if (this.#stopped) throw error
      }
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        this.#pause = undefined
        resolve()
      }
      const timer: Timer = this.#clock.after(ms, end)
      timer.keepAlive(this.#queue.some((each) => !each.isBackground))
      this.#pause = { end }
    })
  }

  /** Callers do not wait for ever for a store that does not answer; the batch itself goes on. */
  #watch(flying: readonly Queued[]): { stop(): void } {
    const giveUp = (): void => {
      const error = unanswered(this.#store)
      this.#fail(
        flying.filter((each) => !each.isBackground),
        error,
      )
      const [background, awaited] = [true, false].map((kind) =>
        this.#queue.filter((each) => each.isBackground === kind),
      )
      this.#queue = background ?? []
      this.#fail(awaited ?? [], error)
      timer = this.#clock.after(PATIENCE_MS, giveUp)
    }
    let timer = this.#clock.after(PATIENCE_MS, giveUp)
    timer.keepAlive(flying.length > 0)
    return { stop: () => timer.cancel() }
  }

  #deliver(flying: readonly Queued[], answer: Answer, sent: Stopwatch): void {
    flying.forEach(({ step, recipient, abandoned }, index) => {
      const outcome = answer.outcomes?.[index]
      if (outcome === undefined) return
      if (abandoned) this.#owner.onLateReply(step, outcome)
      else recipient.onReply({ outcome, answer, sent })
    })
  }

  #fail(queued: readonly Queued[], error: unknown): void {
    for (const each of queued) {
      if (each.abandoned) continue
      each.abandoned = true
      each.recipient.onError(error)
    }
  }
}

/** What a caller is told whose patience is at its end. */
export function unanswered(store: LockStore): StoreUnavailableError {
  return new StoreUnavailableError(
    `The store ${store.name} has not answered for ${PATIENCE_MS / 1000} seconds. Check that it runs and can be reached.`,
  )
}

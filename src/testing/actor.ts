import { randomBytes } from 'node:crypto'
import type { Mode } from '../core/model.ts'
import { parseClaims, parseResource, type ResourceInput } from '../core/resource/resource.ts'
import type {
  AcquireOutcome,
  AcquireStep,
  Answer,
  Batch,
  CancelOutcome,
  ExtendOutcome,
  ForceOutcome,
  GrantView,
  InspectOutcome,
  ListOutcome,
  ListStep,
  LockStore,
  Message,
  OutcomeOf,
  ReadEventsOutcome,
  ReleaseOutcome,
  RequestRef,
  Step,
  Subscription,
} from '../core/store.ts'
import { requestFor } from './request.ts'
import { expect } from './test-tools.ts'

export type Resources = ResourceInput | readonly ResourceInput[]

/** How to ask; everything has a default. */
export type Asking = Partial<Omit<AcquireStep, 'type' | 'claims'>> & { readonly mode?: Mode }

/** A lease as its holder sees it. */
export type Held = RequestRef & GrantView

/** Somebody who speaks to the store as one session: it numbers its batches and keeps what it is told. */
export class Actor {
  /** Its agent id. */
  readonly name: string
  readonly session: string = randomBytes(16).toString('hex')
  readonly store: LockStore
  readonly deadMs: number
  /** What every answer has brought, each message once. */
  readonly inbox: Message[] = []
  /** What was pushed, as it was pushed. */
  readonly pushed: Message[] = []
  /** Whether a batch acknowledges what has arrived. */
  acknowledges = true
  number = 0
  floor = 0
  /** Number of the last batch that was answered. */
  answered = 0
  epoch: string | null = null
  readonly #tell: (output: unknown, secrets: readonly string[]) => void
  #last: Batch | undefined
  #tokens = 0

  constructor(options: {
    readonly name: string
    readonly store: LockStore
    readonly deadMs: number
    readonly tell: (output: unknown, secrets: readonly string[]) => void
  }) {
    this.name = options.name
    this.store = options.store
    this.deadMs = options.deadMs
    this.#tell = options.tell
  }

  /** Sends a batch and takes in what the answer brings. */
  async send(steps: readonly Step[] = [], change: Partial<Batch> = {}): Promise<Answer> {
    this.number += 1
    const { session, number, epoch, deadMs, floor, answered } = this
    const last = this.acknowledges ? (this.inbox.at(-1)?.number ?? 0) : 0
    const { acked = last } = change
    const received = this.inbox.filter((message) => message.number <= acked)
    const heard = { acked, received, answered, lastId: 0 }
    const batch: Batch = { session, number, epoch, deadMs, floor, ...heard, steps, ...change }
    this.#last = batch
    return this.#apply(batch)
  }

  /** Sends the last batch once more, as after a broken connection. */
  async repeat(): Promise<Answer> {
    if (this.#last === undefined) throw new Error(`${this.name} has sent nothing yet`)
    return this.#apply(this.#last)
  }

  async #apply(batch: Batch): Promise<Answer> {
    const answer = await this.store.apply(batch)
    this.answered = batch.number
    const secrets = batch.steps.flatMap((step) => ('token' in step ? [step.token] : []))
    this.#tell(answer, [batch.session, ...secrets])
    this.epoch ??= answer.epoch
    const last = this.inbox.at(-1)?.number ?? 0
    this.inbox.push(...answer.messages.filter((message) => message.number > last))
    return answer
  }

  async heartbeat(): Promise<Answer> {
    return this.send()
  }

  /** Sends batches until the store has nothing left to do; says how many it took. */
  async settle(): Promise<number> {
    for (let batches = 1; ; batches += 1) if (!(await this.send()).more) return batches
  }

  /** One step in a batch of its own. */
  async step<S extends Step>(step: S): Promise<OutcomeOf[S['type']]> {
    const { outcomes } = await this.send([step])
    expect(outcomes).toHaveLength(1)
    return outcomes?.[0] as OutcomeOf[S['type']]
  }

  /** The step that asks for resources: exclusive, for half a minute, waiting for ever if it must. */
  asking(resources: Resources, { mode = 'exclusive', ...asking }: Asking = {}): AcquireStep {
    this.#tokens += 1
    const token = `${this.session.slice(0, 24)}token${this.#tokens}`
    return { ...requestFor(parseClaims(resources, mode), this.name, token), ...asking }
  }

  async ask(resources: Resources, asking: Asking = {}): Promise<AcquireOutcome> {
    return this.step(this.asking(resources, asking))
  }

  /** Asks without waiting; `undefined` where somebody stands in the way. */
  async attempt(resources: Resources, asking: Asking = {}): Promise<Held | undefined> {
    const step = this.asking(resources, { waitMs: 0, ...asking })
    const outcome = await this.step(step)
    expect(['granted', 'busy']).toContain(outcome.type)
    return outcome.type === 'granted' ? { ...outcome, token: step.token } : undefined
  }

  /** Asks, and expects to get it at once. */
  async acquire(resources: Resources, asking: Asking = {}): Promise<Held> {
    const step = this.asking(resources, { waitMs: 0, ...asking })
    const outcome = await this.step(step)
    expect(outcome).toMatchObject({ type: 'granted' })
    return { ...(outcome as GrantView), token: step.token }
  }

  /** Asks, and expects to share a lease. */
  async enter(resources: Resources, asking: Asking): Promise<Held> {
    const step = this.asking(resources, { reentrant: true, ...asking })
    const outcome = await this.step(step)
    expect(outcome).toMatchObject({ type: 'entered' })
    return { ...(outcome as GrantView), token: step.token }
  }

  /** Asks, and expects to stand in line. */
  async queue(resources: Resources, asking: Asking = {}): Promise<RequestRef> {
    const step = this.asking(resources, asking)
    const outcome = await this.step(step)
    expect(outcome).toMatchObject({ type: 'waiting', id: expect.any(Number) as number })
    return { id: (outcome as { readonly id: number }).id, token: step.token }
  }

  async release({ id, token }: RequestRef, expired = false): Promise<ReleaseOutcome> {
    return this.step({ type: 'release', id, token, expired })
  }

  async extend({ id, token }: RequestRef, ttlMs: number, automatic = false): Promise<ExtendOutcome> {
    return this.step({ type: 'extend', id, token, fence: null, ttlMs, automatic })
  }

  /** Leaves the line; asks who held these meanwhile, if they are given. */
  async cancel({ id, token }: RequestRef, explain?: Resources): Promise<CancelOutcome> {
    const claims = explain === undefined ? null : parseClaims(explain, 'exclusive')
    return this.step({ type: 'cancel', id, token, explain: claims })
  }

  async handBack({ id, fence }: Pick<GrantView, 'id' | 'fence'>): Promise<void> {
    await this.step({ type: 'handBack', id, fence })
  }

  async goodbye(): Promise<Answer> {
    return this.send([{ type: 'goodbye' }])
  }

  async force(resource: string, fence: number | null = null): Promise<ForceOutcome> {
    return this.step({ type: 'force', ...parseResource(resource), fence, by: 'admin', reason: 'stuck' })
  }

  async inspect(resource: string): Promise<InspectOutcome> {
    return this.step({ type: 'inspect', ...parseResource(resource), leases: 1000, waiters: 1000 })
  }

  async list(options: Partial<ListStep> = {}): Promise<ListOutcome> {
    return this.step({ type: 'list', prefix: '', agentId: null, minAgeMs: 0, after: null, ...options })
  }

  async events(since: string | null, limit = 1000): Promise<ReadEventsOutcome> {
    return this.step({ type: 'readEvents', since, limit })
  }

  /** Heartbeats, and says what it has been told of a request so far. */
  async told({ id }: { readonly id: number }, type?: Message['type']): Promise<readonly Message[]> {
    await this.heartbeat()
    return this.inbox.filter((message) => message.id === id && (type === undefined || message.type === type))
  }

  /** Heartbeats, and expects to have been granted what it waited for. */
  async granted(place: RequestRef): Promise<Held> {
    const [message] = await this.told(place, 'granted')
    expect(message).toMatchObject({ type: 'granted' })
    return { ...(message as unknown as GrantView), token: place.token }
  }

  /** Heartbeats, and expects to wait still. */
  async waits(place: RequestRef): Promise<void> {
    expect(await this.told(place)).toEqual([])
  }

  /** Takes pushes from now on. */
  async subscribe(onInterruption: () => void = () => undefined): Promise<Subscription> {
    return this.store.subscribe(this.session, {
      onMessages: (messages) => {
        this.#tell(messages, [])
        this.pushed.push(...messages)
      },
      onInterruption,
    })
  }
}

/**
 * The lock model once more, written from its page alone and in the plainest way: one array of requests, and after
 * every step everybody is asked anew whether the rule grants it. No index, no remembered blocker, no budget.
 */
import type { Claim } from '../../src/core/model.ts'
import type { AcquireStep, Batch, ExtendStep, Step } from '../../src/core/store.ts'

export interface Entry {
  readonly id: number
  readonly session: string
  readonly birth: number
  readonly step: AcquireStep
  readonly queuedAt: number
  readonly waitUntil: number
  state: 'waits' | 'holds' | 'over'
  owners: { readonly token: string; readonly session: string }[]
  fence: number
  grantedAt: number
  expiresAt: number
  confirmed: boolean
  wanted: boolean
}

interface Session {
  birth: number
  seenAt: number
  deadMs: number
  batch: number
}

/** What a batch came to, in words that can be compared. */
export interface Told {
  readonly fresh: boolean
  readonly outcomes: readonly string[]
  /** By session, in no order. */
  readonly messages: ReadonlyMap<string, readonly string[]>
  readonly events: readonly string[]
  readonly wakeAt: number | null
}

/** What the model is told of a batch besides the batch itself. */
export interface Known {
  /** It has received something else than was posted. */
  readonly isMisled: boolean
  /** The granted requests whose messages it acknowledges. */
  readonly confirmed: readonly number[]
  /** Where the model leaves open who is first, in which order the store did it: grants of one step that do not conflict. */
  readonly granted: readonly number[]
  /** Likewise: which of the requests that wait for one another the store refused. */
  readonly refused: readonly number[]
}

function overlap(a: Claim, b: Claim): boolean {
  const inside = (inner: string, outer: string): boolean => inner.startsWith(outer.endsWith(':') ? outer : `${outer}/`)
  if (a.resourceId === b.resourceId) return true
  return (
    (a.scope === 'tree' && inside(b.resourceId, a.resourceId)) ||
    (b.scope === 'tree' && inside(a.resourceId, b.resourceId))
  )
}

function clash(a: Claim, b: Claim): boolean {
  return (a.mode === 'exclusive' || b.mode === 'exclusive') && overlap(a, b)
}

export function clashes(ours: readonly Claim[], theirs: readonly Claim[]): number {
  return ours.flatMap((mine) => theirs.filter((other) => clash(mine, other))).length
}

/** Whether `outer` reaches all of what `inner` names. */
function reaches(outer: Claim, inner: { readonly resourceId: string; readonly scope: string }): boolean {
  if (outer.resourceId === inner.resourceId) return outer.scope === 'tree' || inner.scope === 'node'
  return outer.scope === 'tree' && overlap(outer, { ...inner, mode: 'exclusive', scope: 'node' })
}

export class NaiveTable {
  now = 0
  wallNow = 0
  readonly entries: Entry[] = []
  readonly #sessions = new Map<string, Session>()
  readonly #previous = new Map<string, string>()
  #lastFence = 0
  #events: string[] = []
  #messages = new Map<string, string[]>()
  #narrowed = new Set<string>()
  #known: Known = { isMisled: false, confirmed: [], granted: [], refused: [] }

  apply(batch: Batch, known: Known): Told {
    this.#known = known
    this.#events = []
    this.#messages = new Map()
    this.#narrowed = new Set()
    const before = this.#sessions.get(batch.session)
    const fresh = before === undefined || !this.#alive(before) || before.batch < batch.answered || known.isMisled
    const session = {
      birth: (before?.birth ?? 0) + (fresh ? 1 : 0),
      seenAt: this.now,
      deadMs: batch.deadMs,
      batch: batch.number,
    }
    // Who only looks is no session yet.
    const looks = batch.steps.length > 0 && batch.steps.every(({ type }) => type === 'inspect' || type === 'list')
    if (before !== undefined || !looks) this.#sessions.set(batch.session, session)
    for (const id of known.confirmed) this.#confirm(id)
    this.#tidy()
    const outcomes = batch.steps.map((step) => {
      const outcome = this.#execute(step, batch.session, session)
      this.#grantAll()
      return outcome
    })
    this.#checkChains()
    const waits = this.waiting().some((entry) => entry.session === batch.session)
    const next = Math.min(
      ...this.held()
        .filter(({ wanted }) => wanted)
        .map(({ expiresAt }) => expiresAt),
    )
    return {
      fresh,
      outcomes,
      messages: this.#messages,
      events: this.#events,
      wakeAt: waits && next < Infinity ? next : null,
    }
  }

  /** The number of the last batch of a session; `undefined` if it is not known. */
  lastBatch(session: string): number | undefined {
    return this.#sessions.get(session)?.batch
  }

  waiting(): Entry[] {
    return this.entries.filter(({ state }) => state === 'waits')
  }

  held(): Entry[] {
    return this.entries.filter(({ state }) => state === 'holds')
  }

  /** A request waits for its own chain, and nobody has been told. */
  undetected(): Entry | undefined {
    return this.waiting().find((entry) => this.#waitsForItself(entry.step, entry.id))
  }

  countWaiting(claims: readonly Claim[], before = Infinity): number {
    return this.waiting()
      .filter(({ id }) => id < before)
      .reduce((count, { step }) => count + clashes(claims, step.claims), 0)
  }

  #alive(session: Session): boolean {
    return session.seenAt + session.deadMs > this.now
  }

  #log(type: string, { agentId, claims }: AcquireStep, rest: Record<string, unknown> = {}): void {
    this.#events.push(describe({ type, agentId, claims, ...rest }))
  }

  #post(session: string, message: Record<string, unknown>): void {
    this.#messages.set(session, [...(this.#messages.get(session) ?? []), describe(message)])
  }

  #confirm(id: number): void {
    const entry = this.entries.find((each) => each.id === id)
    if (entry?.state !== 'holds' || entry.expiresAt <= this.now) return
    entry.confirmed = true
    this.#prolong(entry, entry.step.ttlMs)
  }

  #prolong(entry: Entry, ttlMs: number): void {
    const cap = entry.grantedAt + (entry.step.maxHoldMs ?? Infinity)
    entry.expiresAt = Math.max(entry.expiresAt, Math.min(this.now + ttlMs, cap))
  }

  /** Ends what time has ended: leases and waits, in the order of their times, then those whose session is dead. */
  #tidy(): void {
    const endOf = (entry: Entry): number => (entry.state === 'holds' ? entry.expiresAt : entry.waitUntil)
    const due = this.entries.filter((entry) => entry.state !== 'over' && endOf(entry) <= this.now)
    for (const entry of due.toSorted((a, b) => endOf(a) - endOf(b) || a.id - b.id)) {
      if (entry.state === 'holds') this.#end(entry, 'expired')
      else this.#abandon(entry)
    }
    for (const entry of this.waiting()) {
      const session = this.#sessions.get(entry.session)
      if (session === undefined || session.birth !== entry.birth || !this.#alive(session)) this.#abandon(entry)
    }
    this.#grantAll()
  }

  #abandon(entry: Entry): void {
    entry.state = 'over'
    if (entry.step.chain !== null) this.#narrowed.add(entry.step.chain)
    this.#log('resource.abandoned', entry.step, { waitedMs: this.now - entry.queuedAt })
  }

  #end(entry: Entry, how: 'released' | 'expired' | 'forced', by?: string): void {
    entry.state = 'over'
    if (entry.step.chain !== null) this.#narrowed.add(entry.step.chain)
    const until = Math.min(this.now, entry.expiresAt)
    const heldMs = until - entry.grantedAt
    for (const { resourceId } of entry.step.claims) {
      const wallUntil = this.wallNow - (this.now - until)
      this.#previous.set(
        resourceId,
        describe({ resourceId, agentId: entry.step.agentId, wallUntil, fence: entry.fence, reason: null }),
      )
    }
    const type = how === 'expired' ? 'resource.expired' : 'resource.unlocked'
    this.#log(type, entry.step, {
      fence: entry.fence,
      heldMs,
      ...(how === 'forced' && { forced: { by, reason: 'test' } }),
    })
    if (how === 'released') return
    const loss = how === 'forced' ? { kind: how, by, reason: 'test' } : { kind: how }
    for (const session of new Set(entry.owners.map((owner) => owner.session))) {
      this.#post(session, { type: 'lost', id: entry.id, loss, heldMs })
    }
  }

  /** The grant rule. */
  #isHeldBack(claims: readonly Claim[], chain: string | null, id: number): boolean {
    if (this.held().some(({ step }) => clashes(step.claims, claims) > 0)) return true
    return this.waiting().some(
      (earlier) => earlier.id < id && clashes(earlier.step.claims, claims) > 0 && !this.#waitsForChain(earlier, chain),
    )
  }

  #waitsForChain(waiter: Entry, chain: string | null): boolean {
    return (
      chain !== null &&
      this.held().some(({ step }) => step.chain === chain && clashes(step.claims, waiter.step.claims) > 0)
    )
  }

  #grantAll(): void {
    for (;;) {
      const free = this.waiting().filter(({ step, id }) => !this.#isHeldBack(step.claims, step.chain, id))
      const next = first(free, this.#known.granted)
      if (next === undefined) return
      const session = this.#sessions.get(next.session)
      const deadAt = session === undefined ? this.now : session.seenAt + session.deadMs
      if (next.step.chain !== null) this.#narrowed.add(next.step.chain)
      const view = this.#grant(next, Math.min(this.now + leaseOf(next.step), deadAt), false)
      this.#post(next.session, { type: 'granted', ...view })
    }
  }

  #grant(entry: Entry, expiresAt: number, confirmed: boolean): Record<string, unknown> {
    entry.state = 'holds'
    entry.grantedAt = this.now
    entry.expiresAt = expiresAt
    entry.confirmed = confirmed
    this.#lastFence = Math.max(this.#lastFence + 1, this.wallNow * 1000)
    entry.fence = this.#lastFence
    entry.owners = [{ token: entry.step.token, session: entry.session }]
    const waiters = this.countWaiting(entry.step.claims)
    entry.wanted = waiters > 0
    const waitedMs = this.now - entry.queuedAt
    this.#log('resource.locked', entry.step, { fence: entry.fence, waitedMs })
    return { ...this.#view(entry), waiters, waitedMs }
  }

  #view({ id, fence, expiresAt, step }: Entry): Record<string, unknown> {
    const previous = new Set(step.claims.flatMap(({ resourceId }) => this.#previous.get(resourceId) ?? []))
    return { id, fence, expiresAt, previous: [...previous] }
  }

  #execute(step: Step, sessionId: string, session: Session): string {
    switch (step.type) {
      case 'acquire':
        return describe(this.#acquire(step, sessionId, session))
      case 'inspect':
        return describe({
          leases: this.#covering(step)
            .map(({ fence }) => fence)
            .toSorted((a, b) => a - b),
          waiting: this.waiting()
            .filter((entry) => clashes([{ ...step, mode: 'exclusive' }], entry.step.claims) > 0)
            .map((entry) => entry.step.agentId),
          previous: this.#previous.get(step.resourceId) ?? null,
        })
      case 'list':
        return describe({
          leases: this.held()
            .flatMap(({ fence, step: { claims } }) => claims.map((claim) => describe({ ...claim, fence })))
            .toSorted(),
        })
      case 'force': {
        const ended = this.#covering(step).filter(({ fence }) => step.fence === null || step.fence === fence)
        for (const entry of ended) this.#end(entry, 'forced', step.by)
        return describe({ ended: ended.map(({ fence }) => fence).toSorted((a, b) => a - b) })
      }
      case 'goodbye':
        for (const entry of this.waiting()) if (entry.session === sessionId) this.#abandon(entry)
        session.seenAt = this.now - session.deadMs
        return describe({ type: 'done' })
      case 'handBack':
        for (const entry of this.held()) {
          if (entry.id === step.id && entry.session === sessionId && entry.fence === step.fence) {
            this.#leave(entry, (owner) => owner.token === entry.step.token)
          }
        }
        return describe({ type: 'done' })
      case 'cancel':
        return this.#cancel(step.id, step.token, step.explain)
      case 'release':
        return this.#release(step.id, step.token, step.expired)
      case 'extend':
        return this.#extend(step)
      case 'readEvents':
        throw new Error('histories do not read events')
    }
  }

  #owned(id: number, token: string): Entry | undefined {
    return this.held().find((entry) => entry.id === id && entry.owners.some((owner) => owner.token === token))
  }

  #leave(entry: Entry, leaves: (owner: Entry['owners'][number]) => boolean, expired = false): boolean {
    const owners = entry.owners.filter((owner) => !leaves(owner))
    if (owners.length === 0) this.#end(entry, expired ? 'expired' : 'released')
    else entry.owners = owners
    return owners.length > 0
  }

  #release(id: number, token: string, expired: boolean): string {
    const entry = this.#owned(id, token)
    if (entry === undefined) return describe({ released: false, shared: false, heldMs: 0 })
    const shared = this.#leave(entry, (owner) => owner.token === token, expired)
    return describe({ released: true, shared, heldMs: this.now - entry.grantedAt })
  }

  #extend({ id, token, fence, ttlMs, automatic }: ExtendStep): string {
    const entry = this.#owned(id, token)
    if (entry === undefined || (fence !== null && fence !== entry.fence)) return describe({ type: 'gone' })
    if (ttlMs > 0) {
      this.#prolong(entry, entry.confirmed ? ttlMs : Math.max(ttlMs, leaseOf(entry.step)))
      entry.confirmed = true
      if (!automatic) this.#log('resource.extended', entry.step, { fence: entry.fence })
    }
    return describe({ type: 'extended', expiresAt: entry.expiresAt })
  }

  #cancel(id: number, token: string, explain: readonly Claim[] | null): string {
    const entry = this.entries.find((each) => each.id === id && each.state !== 'over' && each.step.token === token)
    const { holders, ahead } = explain === null ? { holders: [], ahead: 0 } : this.#busy(explain, id)
    const why = { holders: holders.filter((fence) => entry?.state !== 'holds' || fence !== entry.fence), ahead }
    const waitedMs = entry?.state === 'waits' ? this.now - entry.queuedAt : 0
    if (entry?.state === 'waits') this.#abandon(entry)
    else if (entry !== undefined) this.#leave(entry, (owner) => owner.token === token)
    return describe({ ...why, waitedMs })
  }

  #busy(claims: readonly Claim[], before: number): { holders: readonly number[]; ahead: number } {
    const holders = this.held().filter(({ step }) => clashes(step.claims, claims) > 0)
    const ahead = Math.max(...claims.map((claim) => this.countWaiting([claim], before)))
    return { holders: holders.map(({ fence }) => fence).toSorted((a, b) => a - b), ahead }
  }

  /** Nearest claim first, then the earliest request. */
  #covering(asked: { readonly resourceId: string; readonly scope: string }): Entry[] {
    const found = this.held().filter(({ step }) => step.claims.some((claim) => reaches(claim, asked)))
    const distance = ({ step }: Entry): number =>
      Math.min(
        ...step.claims
          .filter((claim) => reaches(claim, asked))
          .map((claim) => asked.resourceId.length - claim.resourceId.length),
      )
    return found.toSorted((a, b) => distance(a) - distance(b) || a.id - b.id)
  }

  #acquire(step: AcquireStep, sessionId: string, session: Session): Record<string, unknown> {
    const shared = this.#enterable(step)
    if (shared !== undefined) {
      shared.owners.push({ token: step.token, session: sessionId })
      return { type: 'entered', ...this.#view(shared), waiters: 0, waitedMs: 0 }
    }
    const id = this.entries.length + 1
    const { chain, waitMs } = step
    const isHeldBack = this.#isHeldBack(step.claims, chain, id)
    if (isHeldBack && waitMs === 0) return { type: 'busy', ...this.#busy(step.claims, id) }
    if (isHeldBack && this.#waitsForItself(step, id)) {
      this.#log('resource.deadlock', step)
      return { type: 'deadlock' }
    }
    const entry: Entry = {
      id,
      session: sessionId,
      birth: session.birth,
      step,
      queuedAt: this.now,
      waitUntil: this.now + (waitMs ?? Infinity),
      state: 'waits',
      owners: [],
      fence: 0,
      grantedAt: 0,
      expiresAt: 0,
      confirmed: false,
      wanted: false,
    }
    this.entries.push(entry)
    if (!isHeldBack) return { type: 'granted', ...this.#grantNew(entry) }
    for (const holder of this.held()) {
      const own = clashes(holder.step.claims, step.claims)
      if (own === 0 || (holder.wanted && this.countWaiting(holder.step.claims) > own)) continue
      holder.wanted = true
      const waiters = this.countWaiting(holder.step.claims)
      for (const told of new Set(holder.owners.map((owner) => owner.session)))
        this.#post(told, { type: 'wanted', id: holder.id, waiters })
    }
    this.#log('resource.waiting', step)
    return { type: 'waiting', id }
  }

  #grantNew(entry: Entry): Record<string, unknown> {
    entry.state = 'holds'
    return this.#grant(entry, this.now + leaseOf(entry.step), true)
  }

  #enterable(step: AcquireStep): Entry | undefined {
    const { holding, reentrant, chain, claims } = step
    const coversAll = (entry: Entry): boolean =>
      claims.every((claim) =>
        entry.step.claims.some(
          (mine) => (mine.mode === 'exclusive' || claim.mode === 'shared') && reaches(mine, claim),
        ),
      )
    const given = holding === null ? undefined : this.#owned(holding.id, holding.token)
    if (given !== undefined && coversAll(given)) return given
    const [main] = claims
    if (!reentrant || chain === null || main === undefined) return undefined
    return this.#covering(main).find((entry) => entry.step.chain === chain && coversAll(entry))
  }

  /** Whether a request of a sequential chain waits, over others, for a lease of its own chain. */
  #waitsForItself({ chain, claims }: AcquireStep, id: number): boolean {
    if (chain === null) return false
    const openOf = (other: string): Entry[] => this.waiting().filter(({ step }) => step.chain === other)
    if (openOf(chain).some((entry) => entry.id !== id)) return false
    const seen = new Set<number>()
    const reachesOwn = (from: readonly Claim[], fromChain: string | null, before: number): boolean => {
      for (const holder of this.held()) {
        if (clashes(holder.step.claims, from) === 0 || holder.step.chain === null) continue
        if (holder.step.chain === chain) return true
        const [open, second] = openOf(holder.step.chain)
        if (open === undefined || second !== undefined || seen.has(open.id)) continue
        seen.add(open.id)
        if (reachesOwn(open.step.claims, open.step.chain, open.id)) return true
      }
      for (const earlier of this.waiting()) {
        if (earlier.id >= before || clashes(earlier.step.claims, from) === 0 || this.#waitsForChain(earlier, fromChain))
          continue
        if (earlier.id === id) return true
        if (seen.has(earlier.id) || (earlier.step.chain !== null && openOf(earlier.step.chain).length > 1)) continue
        seen.add(earlier.id)
        if (reachesOwn(earlier.step.claims, earlier.step.chain, earlier.id)) return true
      }
      return false
    }
    return reachesOwn(claims, chain, id)
  }

  /** Chains that may have fallen back to one open request are checked. */
  #checkChains(): void {
    while (this.#narrowed.size > 0) {
      for (let next = this.#stuck(); next !== undefined; next = this.#stuck()) {
        next.state = 'over'
        this.#log('resource.deadlock', next.step, { waitedMs: this.now - next.queuedAt })
        this.#post(next.session, { type: 'deadlock', id: next.id })
      }
      this.#narrowed.clear()
      this.#grantAll()
    }
  }

  #stuck(): Entry | undefined {
    const open = this.waiting().filter(({ step }) => step.chain !== null && this.#narrowed.has(step.chain))
    return first(
      open.filter((entry) => this.#waitsForItself(entry.step, entry.id)),
      this.#known.refused,
    )
  }
}

/** The one that an order names first, or else the earliest. */
function first(entries: readonly Entry[], order: readonly number[]): Entry | undefined {
  const place = ({ id }: Entry): number => (order.includes(id) ? order.indexOf(id) : order.length)
  return entries.toSorted((a, b) => place(a) - place(b) || a.id - b.id)[0]
}

function leaseOf({ ttlMs, maxHoldMs }: AcquireStep): number {
  return Math.min(ttlMs, maxHoldMs ?? Infinity)
}

/** One text for one content, whatever the order of the properties; `null` and absent are the same. */
export function describe(value: Record<string, unknown>): string {
  const entries = Object.entries(value).filter(([, each]) => each !== null && each !== undefined)
  return JSON.stringify(Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

import { randomBytes } from 'node:crypto'
import { InvalidRequestError, isResourceLockError } from '../../../core/errors.ts'
import type { Answer, Batch, Listener, LockStore, Message, Step, Subscription } from '../../../core/store.ts'
import { compositeEpoch, Positions } from './composite.ts'
import { type Flight, type Part, send, split } from './flight.ts'
import { Lens } from './lens.ts'
import { mergeOutcomes } from './merging.ts'
import { destinationOf, type Routing } from './routing.ts'
import { ShardedSession, undoing } from './session.ts'

/** Clocks that differ less than this are the same clock, asked at different times. */
const SAME_CLOCK_MS = 100

/** What is known of the shards until one of them loses its data. */
interface Generation {
  readonly epochs: readonly string[]
  readonly epoch: string
  readonly positions: Positions
  readonly lenses: readonly Lens[]
}

interface Entry {
  readonly generation: Generation
  readonly session: ShardedSession
  flight: Flight | undefined
}

/**
 * One lock store out of several, each of which has its share of the resources. What spans shards is refused; order and
 * tokens hold in each shard.
 */
export class ShardedStore implements LockStore {
  readonly name: string
  readonly takesTurns: boolean = true
  readonly #stores: readonly LockStore[]
  readonly #routing: Routing
  readonly #offsets: readonly number[]
  readonly #sessions = new Map<string, Entry>()
  readonly #undoings = new Set<Promise<unknown>>()
  #generation: Generation
  #time: { readonly now: number; readonly wallNow: number }

  private constructor(stores: readonly LockStore[], routing: Routing, probes: readonly Answer[]) {
    const [first] = probes
    if (first === undefined) throw new RangeError('A sharded store needs shards.')
    this.name = `${stores[0]?.name ?? ''} (${stores.length} shards)`
    this.#stores = stores
    this.#routing = routing
    this.#offsets = probes.map(({ now }) => (Math.abs(first.now - now) < SAME_CLOCK_MS ? 0 : first.now - now))
    this.#time = first
    const epochs = probes.map(({ epoch }) => epoch)
    const positions = new Positions(epochs)
    for (const [shard, { outcomes }] of probes.entries()) {
      const [end] = outcomes ?? []
      if (end?.type === 'events') positions.move(shard, end.cursor)
    }
    this.#generation = this.#generationOf(epochs, positions)
  }

  /** @throws StoreUnavailableError if a shard does not answer */
  static async open(stores: readonly LockStore[], routing: Routing): Promise<ShardedStore> {
    const session = randomBytes(16).toString('hex')
    const probe: Batch = {
      session,
      number: 1,
      epoch: null,
      acked: 0,
      received: [],
      deadMs: 1000,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps: [{ type: 'readEvents', since: null, limit: 1 }],
    }
    return new ShardedStore(stores, routing, await Promise.all(stores.map((store) => store.apply(probe))))
  }

  async apply(batch: Batch): Promise<Answer> {
    if (batch.epoch !== null && batch.epoch !== this.#generation.epoch) return this.#nothingDone()
    const entry = this.#entryOf(batch.session)
    const { session } = entry
    if (batch.number < session.number) throw staleBatch(batch.number, session.number)
    if (batch.number > session.number || entry.flight === undefined) entry.flight = this.#begin(batch, session)
    const { flight } = entry
    if (flight.answer !== undefined) return flight.answer
    await this.#send(flight, entry)
    // Another batch may have found meanwhile that a shard has lost its data.
    if (flight.parts.some(({ answer }) => answer?.outcomes === null) || entry.generation !== this.#generation) {
      return this.#startAgain(flight)
    }
    flight.answer = this.#answer(batch, session, flight)
    return flight.answer
  }

  refusal(step: Step): InvalidRequestError | undefined {
    try {
      destinationOf(this.#routing, step)
      return undefined
    } catch (error) {
      if (error instanceof InvalidRequestError) return error
      throw error
    }
  }

  async subscribe(session: string, listener: Listener): Promise<Subscription> {
    return together(
      this.#stores.map((store, shard) =>
        store.subscribe(session, {
          onMessages: (messages) => this.#onPush(session, shard, messages, listener),
          onInterruption: () => listener.onInterruption(),
        }),
      ),
    )
  }

  async follow(onGrowth: () => void): Promise<Subscription> {
    return together(this.#stores.map((store) => store.follow(onGrowth)))
  }

  async close(): Promise<void> {
    await Promise.all(this.#undoings)
    await Promise.all(this.#stores.map((store) => store.close()))
  }

  #entryOf(id: string): Entry {
    const entry = this.#sessions.get(id)
    if (entry?.generation === this.#generation) return entry
    const made = { generation: this.#generation, session: new ShardedSession(this.#stores.length), flight: undefined }
    this.#sessions.set(id, made)
    return made
  }

  #begin(batch: Batch, session: ShardedSession): Flight {
    const { epochs } = this.#generation
    const known = session.known.length > 0 ? session.known : [this.#routing.homeOf(batch.session)]
    const due = batch.steps.length === 0 ? known : session.dueAt(performance.now(), batch.deadMs)
    const { byShard, placements } = split(batch.steps, { routing: this.#routing, epochs, known, due })
    const batchFor = session.begin(batch)
    const parts = [...byShard].map(([shard, steps]): Part => {
      return { shard, batch: batchFor(shard, epochs[shard] ?? '', steps), answer: undefined, open: false }
    })
    return { parts, placements, answer: undefined }
  }

  async #send(flight: Flight, entry: Entry): Promise<void> {
    try {
      await send(flight, this.#stores, this.name)
    } catch (error) {
      // What was refused for good is not sent again, not even under the same number.
      if (!isResourceLockError(error, 'UNAVAILABLE')) entry.flight = undefined
      throw error
    }
  }

  #answer(batch: Batch, session: ShardedSession, { parts, placements }: Flight): Answer {
    const { epoch, lenses, epochs } = this.#generation
    const wasKnown = session.known.length > 0
    const answers = parts.flatMap(({ shard, batch: inner, answer }) => {
      const lens = lenses[shard]
      return answer === undefined || lens === undefined ? [] : [{ shard, inner, answer, lens }]
    })
    // The latest: a lease then seems to end too early rather than too late.
    const latest = answers.toSorted((a, b) => b.lens.outerTime(b.answer.now) - a.lens.outerTime(a.answer.now))[0]
    const now = latest?.lens.outerTime(latest.answer.now) ?? this.#time.now
    this.#time = { now, wallNow: latest?.answer.wallNow ?? this.#time.wallNow }
    const reborn = answers.map(({ shard, inner, answer, lens }) => {
      const wasReborn = session.onAnswer(shard, inner, answer, performance.now())
      for (const [index, step] of inner.steps.entries()) {
        const outcome = answer.outcomes?.[index]
        if (outcome !== undefined) session.onOutcome(shard, step, outcome, now - lens.outerTime(answer.now))
      }
      session.receive(shard, answer.messages, lens)
      return wasReborn
    })
    const byShard = new Map(parts.map((part) => [part.shard, part]))
    const outcomes = batch.steps.map((step, index) =>
      mergeOutcomes(step, placements[index] ?? [], byShard, { lenses, epochs }),
    )
    session.told(outcomes)
    const wakes = answers.flatMap(({ answer, lens }) => (answer.wakeAt === null ? [] : [lens.outerTime(answer.wakeAt)]))
    return {
      epoch,
      ...this.#time,
      fresh: wasKnown ? reborn.includes(true) : answers.every(({ answer }) => answer.fresh),
      more: answers.some(({ answer }) => answer.more),
      wakeAt: wakes.length === 0 ? null : Math.min(...wakes),
      messages: session.unacknowledged(),
      outcomes,
    }
  }

  #onPush(id: string, shard: number, messages: readonly Message[], listener: Listener): void {
    const entry = this.#sessions.get(id)
    const lens = this.#generation.lenses[shard]
    if (entry?.generation !== this.#generation || lens === undefined || !entry.session.canTake(shard, messages)) {
      listener.onInterruption()
      return
    }
    const fresh = entry.session.receive(shard, messages, lens)
    if (fresh.length > 0) listener.onMessages(fresh)
  }

  /** A shard has lost its data: for whoever uses them, all have. What the batch did in the others is taken back. */
  #startAgain({ parts }: Flight): Answer {
    const epochs = [...this.#generation.epochs]
    const positions = new Positions(epochs)
    for (const { shard, batch, answer } of parts) {
      if (answer === undefined) continue
      epochs[shard] = answer.epoch
      const undo = undoing(batch, answer.outcomes ?? [])
      const undone = undo === undefined ? undefined : this.#stores[shard]?.apply(undo)
      if (undone !== undefined) this.#await(undone)
    }
    if (compositeEpoch(epochs) !== this.#generation.epoch) this.#generation = this.#generationOf(epochs, positions)
    return this.#nothingDone()
  }

  #await(undone: Promise<unknown>): void {
    // What cannot be taken back ends by itself.
    const quiet = undone.catch(() => {}).finally(() => this.#undoings.delete(quiet))
    this.#undoings.add(quiet)
  }

  #generationOf(epochs: readonly string[], positions: Positions): Generation {
    const lenses = epochs.map((_, shard) => new Lens(shard, this.#offsets[shard] ?? 0, positions))
    return { epochs, epoch: compositeEpoch(epochs), positions, lenses }
  }

  #nothingDone(): Answer {
    const { epoch } = this.#generation
    return { epoch, ...this.#time, fresh: true, more: false, wakeAt: null, messages: [], outcomes: null }
  }
}

/** Several subscriptions as one: all, or none. */
async function together(starting: readonly Promise<Subscription>[]): Promise<Subscription> {
  const results = await Promise.allSettled(starting)
  const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((each) => each.close()))
  }
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return { close }
  await close()
  throw failed.reason
}

function staleBatch(number: number, last: number): InvalidRequestError {
  return new InvalidRequestError(
    `Batch ${number} is a late copy: the session has sent batch ${last} since. Nothing was done.`,
  )
}

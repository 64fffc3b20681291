import type { Answer, Batch, Message, Outcome, Step } from '../../../core/store.ts'
import { isSame } from '../../../core/table/acknowledging.ts'
import { onlyLooks } from '../../../core/table/turn.ts'
import { innerId, shardOfId } from './ids.ts'
import type { Lens } from './lens.ts'

/** A batch of the outer session has this many numbers in each shard: its own, and one to undo it. */
const NUMBERS = 2

/** How much of its dead time a session may leave a shard alone; its own heart beats after a third of that time. */
const QUIET_SHARE = 1 / 4

/** What a session knows of itself in one shard. Ids and numbers are that shard's. */
interface Standing {
  /** The shard may have a row of the session. */
  known: boolean
  contactedMs: number
  /** The last batch that was answered. */
  answered: number
  /** The last message that the session has acknowledged, and the last that the shard knows to be. */
  acked: number
  confirmed: number
  /** Those in between which the caller has received as they were passed on. */
  received: readonly Message[]
  /** The last message that was passed on. */
  seen: number
  lastId: number
  more: boolean
  /** Requests in line, each with how far the clock in the answer that told of it was ahead of this shard's. */
  readonly waiting: Map<number, number>
}

interface Delivered {
  readonly shard: number
  /** As the shard has told it, and as the caller knows it. */
  readonly inner: Message
  readonly message: Message
}

/**
 * One session of the caller, as it stands in each shard: how its numbers and messages become theirs, and back. Holds no
 * connection and asks nobody.
 *
 * A shard in which the session waits, or has a grant that is not confirmed, takes part in every batch: an answer says of
 * all of them that nothing was missed until it was sent.
 */
export class ShardedSession {
  readonly #standings: Standing[]
  #inbox: Delivered[] = []
  /** The highest number of a message, and of a request id, that the caller was told. */
  #posted = 0
  #lastId = 0
  /** The last batch that was begun. */
  #number = 0

  constructor(shards: number) {
    this.#standings = Array.from({ length: shards }, newStanding)
  }

  get number(): number {
    return this.#number
  }

  /** The shards that may have a row of the session. */
  get known(): number[] {
    return this.#shardsWhere(({ known }) => known)
  }

  /** The shards that a batch has to reach, whatever its steps. */
  dueAt(nowMs: number, deadMs: number): number[] {
    return this.#shardsWhere(
      (each) =>
        each.known &&
        (each.waiting.size > 0 ||
          each.more ||
          each.confirmed < each.seen ||
          nowMs - each.contactedMs >= deadMs * QUIET_SHARE),
    )
  }

  /** A batch is sent for the first time: what it tells of the session, for each shard. */
  begin(batch: Batch): (shard: number, epoch: string, steps: readonly Step[]) => Batch {
    // More than was ever told from here: the shards have to see for themselves.
    const beyond = Math.max(0, batch.acked - this.#posted)
    const answeredElsewhere = this.#number > 0 && batch.answered > this.#number
    const idFromElsewhere = batch.lastId > this.#lastId ? shardOfId(batch.lastId) : undefined
    this.#number = batch.number
    this.#posted += beyond
    this.#acknowledge(batch)
    return (shard, epoch, steps) => {
      const { acked, received, answered, lastId } = this.#at(shard)
      const knownId = batch.lastId === 0 ? 0 : lastId
      return {
        session: batch.session,
        number: batch.number * NUMBERS,
        epoch,
        acked: acked + beyond,
        received,
        deadMs: batch.deadMs,
        floor: batch.floor,
        answered: answeredElsewhere ? batch.answered * NUMBERS : answered,
        lastId: shard === idFromElsewhere ? innerId(batch.lastId) : knownId,
        steps,
      }
    }
  }

  /** A shard has answered. Says whether the session has lost its places there. */
  onAnswer(shard: number, batch: Batch, answer: Answer, nowMs: number): boolean {
    const standing = this.#at(shard)
    const wasReborn = standing.known && answer.fresh
    if (wasReborn) this.#forgetPlaces(shard)
    else this.#confirm(standing, batch.acked)
    standing.known ||= !onlyLooks(batch)
    standing.contactedMs = nowMs
    standing.answered = batch.number
    standing.more = answer.more
    return wasReborn
  }

  /** Notes what a step has come to. @param aheadMs how far the clock in the answer is ahead of this shard's */
  onOutcome(shard: number, step: Step, outcome: Outcome, aheadMs: number): void {
    const standing = this.#at(shard)
    if (step.type === 'cancel') standing.waiting.delete(step.id)
    if (outcome.type === 'waiting') standing.waiting.set(outcome.id, aheadMs)
    if (outcome.type === 'waiting' || outcome.type === 'granted' || outcome.type === 'entered') {
      standing.lastId = Math.max(standing.lastId, outcome.id)
    }
    if (step.type === 'goodbye') this.#standings[shard] = { ...newStanding(), answered: standing.answered }
  }

  /** Takes in what an answer or a push has brought, and gives what of it is new, as the caller knows it. */
  receive(shard: number, messages: readonly Message[], lens: Lens): Message[] {
    return messages.flatMap((inner) => {
      const standing = this.#at(shard)
      if (inner.number <= standing.seen) return []
      standing.seen = inner.number
      standing.lastId = Math.max(standing.lastId, inner.id)
      this.#posted += 1
      // The caller reckons from the clock that it was told when it began to wait.
      const aheadMs = standing.waiting.get(inner.id) ?? 0
      const seen = inner.type === 'granted' ? { ...inner, waitedMs: inner.waitedMs - aheadMs } : inner
      if (inner.type !== 'wanted') standing.waiting.delete(inner.id)
      const message = { number: this.#posted, ...lens.message(seen) } as Message
      this.#lastId = Math.max(this.#lastId, message.id)
      this.#inbox.push({ shard, inner, message })
      return [message]
    })
  }

  /** Whether a push can be passed on: nothing before it is missing, and its request is known to wait. */
  canTake(shard: number, messages: readonly Message[]): boolean {
    const { seen, waiting } = this.#at(shard)
    const fresh = messages.filter(({ number }) => number > seen)
    return fresh.every(
      ({ number, type, id }, index) => number === seen + 1 + index && (type !== 'granted' || waiting.has(id)),
    )
  }

  /** What the caller was told of requests in an answer. */
  told(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) if ('id' in outcome) this.#lastId = Math.max(this.#lastId, outcome.id)
  }

  unacknowledged(): Message[] {
    return this.#inbox.map(({ message }) => message)
  }

  #acknowledge({ acked, received }: Batch): void {
    for (const { shard, inner, message } of this.#inbox) {
      if (message.number > acked) continue
      const standing = this.#at(shard)
      standing.acked = Math.max(standing.acked, inner.number)
      const known = received.find(({ number }) => number === message.number)
      if (isSame(message, known)) standing.received = [...standing.received, inner]
    }
    this.#inbox = this.#inbox.filter(({ message }) => message.number > acked)
  }

  #confirm(standing: Standing, acked: number): void {
    standing.confirmed = Math.max(standing.confirmed, acked)
    standing.received = standing.received.filter(({ number }) => number > acked)
  }

  /** What the shard takes for unacknowledged comes again, and maybe under other numbers. */
  #forgetPlaces(shard: number): void {
    const standing = this.#at(shard)
    standing.waiting.clear()
    standing.acked = 0
    standing.confirmed = 0
    standing.received = []
    standing.seen = 0
    this.#inbox = this.#inbox.filter((each) => each.shard !== shard)
  }

  #shardsWhere(holds: (standing: Standing) => boolean): number[] {
    return this.#standings.flatMap((standing, shard) => (holds(standing) ? [shard] : []))
  }

  #at(shard: number): Standing {
    const standing = this.#standings[shard]
    if (standing === undefined) throw new RangeError(`There is no shard ${shard}.`)
    return standing
  }
}

/** The batch that ends what an acquiring batch has got, where the caller will not hear of it; none if there is nothing. */
export function undoing(batch: Batch, outcomes: readonly Outcome[]): Batch | undefined {
  const steps = batch.steps.flatMap((step, index): Step[] => {
    const outcome = outcomes[index]
    if (step.type !== 'acquire' || outcome === undefined) return []
    const { token } = step
    if (outcome.type === 'waiting') return [{ type: 'cancel', id: outcome.id, token, explain: null }]
    if (outcome.type !== 'granted' && outcome.type !== 'entered') return []
    return [{ type: 'release', id: outcome.id, token, expired: false }]
  })
  return steps.length === 0 ? undefined : { ...batch, number: batch.number + 1, answered: batch.number, steps }
}

function newStanding(): Standing {
  return {
    known: false,
    contactedMs: 0,
    answered: 0,
    acked: 0,
    confirmed: 0,
    received: [],
    seen: 0,
    lastId: 0,
    more: false,
    waiting: new Map(),
  }
}

import type { Batch, Message } from '../../src/core/store.ts'
import type { RequestRow } from '../../src/core/table/storage.ts'
import type { Relation } from './relation.ts'

/** A request in the store, with what the model says of it. */
export interface Entry {
  readonly row: RequestRow
  /** Number of its claims in the {@link Relation}. */
  readonly claims: number
  /** In which life of its session it came. */
  readonly life: number
}

interface Known {
  seenAt: number
  deadMs: number
  life: number
  batch: number
  /** Every message that was posted, and up to which number the session has acknowledged them. */
  readonly posts: Message[]
  posted: number
  acked: number
  hasLeft: boolean
}

/** What the store holds, as seen from outside, and which of it counts by the rules of the model. */
export class Rows {
  readonly entries: Map<number, Entry> = new Map()
  now = 0
  readonly relation: Relation
  readonly #sessions = new Map<string, Known>()
  readonly #lives = new Map<string, number>()
  #lastId = 0

  constructor(relation: Relation) {
    this.relation = relation
  }

  entryOf(row: RequestRow): Entry {
    const known = this.entries.get(row.id)
    const life = known?.life ?? this.#sessions.get(row.session)?.life ?? 0
    this.#lastId = Math.max(this.#lastId, row.id)
    return { row, claims: known?.claims ?? this.relation.number(row.claims), life }
  }

  knows(session: string): boolean {
    return this.#sessions.has(session)
  }

  lastBatch(session: string): number | undefined {
    return this.#sessions.get(session)?.batch
  }

  posted(session: string): number {
    return this.#sessions.get(session)?.posted ?? 0
  }

  /** The batch was heard. Returns whether the session must be told that it is fresh. */
  hear(batch: Batch): boolean {
    const { session, number, deadMs, acked } = batch
    const known = this.#sessions.get(session)
    const isRolledBack =
      known !== undefined &&
      (batch.lastId > this.#lastId || batch.answered > known.batch || acked > known.posted || knowsOthers(batch, known))
    const isFresh = known === undefined || !this.isAlive(session) || isRolledBack
    this.#lastId = Math.max(this.#lastId, batch.lastId)
    const looks = batch.steps.length > 0 && batch.steps.every(({ type }) => LOOKS.has(type))
    if (known === undefined && looks) return true
    const life = isFresh ? (this.#lives.get(session) ?? 0) + 1 : known.life
    this.#lives.set(session, life)
    const { posts = [], posted = acked } = known ?? {}
    const confirmed = isRolledBack ? known.acked : Math.max(known?.acked ?? 0, acked)
    const heard = { seenAt: this.now, deadMs, life, batch: number }
    this.#sessions.set(session, { ...heard, posts, posted, acked: confirmed, hasLeft: false })
    return isFresh
  }

  leaves(session: string): void {
    const known = this.#sessions.get(session)
    if (known !== undefined) known.hasLeft = true
  }

  tell(session: string, message: Message): boolean {
    const known = this.#sessions.get(session)
    if (known === undefined) return false
    known.posted += 1
    known.posts.push(message)
    return message.number === known.posted
  }

  forget(session: string): void {
    this.#sessions.delete(session)
  }

  isAlive(session: string): boolean {
    const known = this.#sessions.get(session)
    return known !== undefined && !known.hasLeft && known.seenAt + known.deadMs > this.now
  }

  isLive({ row, life }: Entry): boolean {
    if (row.dueAt !== null && row.dueAt <= this.now) return false
    if (row.lease !== null) return true
    return this.#sessions.get(row.session)?.life === life && this.isAlive(row.session)
  }

  conflict(a: Entry, b: Entry): boolean {
    return this.relation.conflict(a.claims, b.claims)
  }

  live(): Entry[] {
    return [...this.entries.values()].filter((entry) => this.isLive(entry))
  }
}

/** Whether a session acknowledges, for the first time, something else than was posted. */
function knowsOthers({ acked, received }: Batch, known: Known): boolean {
  const meaning = (message: Message): string =>
    [message.number, message.type, message.id, 'fence' in message ? message.fence : ''].join(' ')
  const told = received.map(meaning)
  return known.posts.some((post) => post.number > known.acked && post.number <= acked && !told.includes(meaning(post)))
}

const LOOKS: ReadonlySet<string> = new Set(['inspect', 'list', 'readEvents'])

/** Whether this waiter waits for a lease of the chain, so that it does not hold the chain's requests back. */
function waitsForChain(rows: Rows, live: readonly Entry[], waiter: Entry, chain: string | null): boolean {
  return (
    chain !== null &&
    live.some((held) => held.row.lease !== null && held.row.chain === chain && rows.conflict(held, waiter))
  )
}

/** Who holds a request back by the grant rule: a live lease, or an earlier live waiter. */
export function heldBackBy(rows: Rows, live: readonly Entry[], entry: Entry): Entry | undefined {
  return live.find(
    (other) =>
      other.row.id !== entry.row.id &&
      rows.conflict(other, entry) &&
      (other.row.lease !== null || (other.row.id < entry.row.id && !waitsForChain(rows, live, other, entry.row.chain))),
  )
}

/**
 * Whether a request of a sequential chain waits, over others, for a lease of its own chain or for itself.
 *
 * @param certain chains with two open requests lead nowhere, as in the model; else they count like the others
 */
export function waitsForItself(
  rows: Rows,
  live: readonly Entry[],
  suspect: { readonly claims: number; readonly chain: string | null; readonly id: number },
  certain = true,
): boolean {
  const { chain } = suspect
  if (chain === null) return false
  const waiting = live.filter(({ row }) => row.lease === null)
  const openOf = (name: string): Entry[] => waiting.filter(({ row }) => row.chain === name)
  const isOpenTwice = (name: string | null): boolean => certain && name !== null && openOf(name).length > 1
  if (certain && openOf(chain).some(({ row }) => row.id !== suspect.id)) return false
  const seen = new Set<number>()
  const leadsHome = (claims: number, ownChain: string | null, before: number): boolean =>
    live.some((other) => {
      const { row } = other
      if (row.lease === null && row.id >= before) return false
      if (!rows.relation.conflict(other.claims, claims)) return false
      if (row.lease !== null) {
        if (row.chain === chain) return true
        if (row.chain === null || isOpenTwice(row.chain)) return false
        return openOf(row.chain).some((open) => {
          if (seen.has(open.row.id)) return false
          seen.add(open.row.id)
          return leadsHome(open.claims, open.row.chain, open.row.id)
        })
      }
      if (waitsForChain(rows, live, other, ownChain)) return false
      if (row.id === suspect.id) return true
      if (seen.has(row.id) || isOpenTwice(row.chain)) return false
      seen.add(row.id)
      return leadsHome(other.claims, row.chain, row.id)
    })
  return leadsHome(suspect.claims, chain, suspect.id)
}

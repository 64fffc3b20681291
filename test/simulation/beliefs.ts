import type { Lock } from '../../src/core/lock/lock.ts'
import type { Client } from './client.ts'
import type { Referee } from './referee.ts'
import { Relation } from './relation.ts'
import type { StoreNode } from './store-node.ts'
import type { Verdict } from './verdict.ts'

interface Handle {
  readonly client: Client
  readonly lock: Lock
  readonly claims: number
  /** The lease clock of the store was moved during its life: nobody can know then. */
  isExcused: boolean
}

/**
 * A session finds out in three steps that the store went back: what was under way still says what it knew before, the
 * next answer tells it so, and then it asks for each lease.
 */
const CONTACTS_TO_KNOW = 3

/** All handles, and what they believe. Whoever believes that it holds must be the holder. */
export class Beliefs {
  readonly #handles = new Set<Handle>()
  readonly #forcedAt = new Map<number, number>()
  readonly #relation = new Relation()
  readonly #referee: Referee
  readonly #store: StoreNode
  readonly #verdict: Verdict

  constructor(referee: Referee, store: StoreNode, verdict: Verdict) {
    this.#referee = referee
    this.#store = store
    this.#verdict = verdict
  }

  add(client: Client, lock: Lock): void {
    // What came with the first answer since then may be measured from the one before.
    const { movedSince } = this.#store
    const isExcused = movedSince > 0 && client.contactsSince(movedSince) < 2
    const handle = { client, lock, claims: this.#relation.number(lock.resources), isExcused }
    this.#handles.add(handle)
    this.#check(handle)
  }

  /** Whether a running client has a handle of this lease that it believes in. */
  knows(fence: number): boolean {
    return [...this.#handles].some(({ lock, client }) => lock.fencingToken === fence && client.process.isAlive)
  }

  forced(fence: number): void {
    this.#forcedAt.set(fence, this.#store.sequence)
  }

  clockMoved(): void {
    for (const handle of this.#handles) handle.isExcused = true
  }

  checkAll(): void {
    for (const handle of this.#handles) this.#check(handle)
  }

  /** Asks only those who stand in the way of what has just been granted. */
  checkAgainst(claims: readonly Lock['resources'][]): void {
    const granted = claims.map((each) => this.#relation.number(each))
    for (const handle of this.#handles) {
      if (granted.some((each) => this.#relation.conflict(each, handle.claims))) this.#check(handle)
    }
  }

  #check(handle: Handle): void {
    const { client, lock } = handle
    if (!client.process.isAlive) return void this.#handles.delete(handle)
    if (!client.runs) return
    if (!lock.isHeld) return void this.#handles.delete(handle)
    this.#referee.rows.now = this.#store.now
    const { fencingToken: fence } = lock
    if (handle.isExcused || this.#referee.holder(fence) !== undefined) return
    this.#judge(handle)
  }

  /** It believes, and is not the holder: what the model allows for where the store has forgotten something. */
  #judge({ client, lock }: Handle): void {
    const { fencingToken: fence } = lock
    const forcedAt = this.#forcedAt.get(fence) ?? 0
    const { lostSince, backSince } = this.#store
    const what = `${client.name} believes in ${fence} on ${lock.resources.map(({ resourceId }) => resourceId).join()}`
    // A store that went back has forgotten what was forced before, too.
    if (forcedAt > 0 && forcedAt >= Math.max(lostSince, backSince)) {
      if (client.lastContact >= forcedAt) this.#verdict.fail('told', `${what}, which was ended by force`)
    } else if (lostSince > 0 && client.lastContact < lostSince) return
    else if (backSince > 0 && client.contactsSince(backSince) < CONTACTS_TO_KNOW) return
    else if (backSince === 0 && lostSince === 0) this.#verdict.fail('belief', `${what}, and is not the holder`)
    else this.#judgeForgotten(lock, what)
  }

  #judgeForgotten(lock: Lock, what: string): void {
    const rows = [...this.#referee.rows.entries.values()].map(({ row }) => row)
    const same = rows.find(({ lease }) => lease?.fence === lock.fencingToken)
    if (same !== undefined || this.#referee.expired.has(lock.fencingToken)) {
      return this.#verdict.fail('shortened', `${what}, which has expired`)
    }
    const again = rows.find(({ id, lease }) => lease !== null && 'id' in lock && id === lock.id)
    if (again === undefined) return this.#verdict.fail('told', `${what}, which the store has forgotten`)
    this.#verdict.fail('again', `${what}, which was granted again as ${again.lease?.fence}`)
  }
}

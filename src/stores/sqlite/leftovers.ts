import type { PreviousView } from '../../core/store.ts'
import type { Previous, Unsettled } from '../../core/table/storage.ts'
import type { Database, Statement } from './engine.ts'

/** Ended requests whose waiters have not all been looked at, over rows. */
export class SqliteUnsettled implements Unsettled {
  readonly #add: Statement
  readonly #delete: Statement
  readonly #first: Statement

  constructor(database: Database) {
    this.#add = database.prepare('INSERT OR IGNORE INTO unsettled (request_id) VALUES (?)')
    this.#delete = database.prepare('DELETE FROM unsettled WHERE request_id = ?')
    this.#first = database.prepare('SELECT request_id FROM unsettled ORDER BY place LIMIT ?')
  }

  add(id: number): void {
    this.#add.run(id)
  }

  delete(id: number): void {
    this.#delete.run(id)
  }

  first(limit: number): readonly number[] {
    return this.#first.all(limit).map((row) => Number(row[0]))
  }
}

/** Views are kept in memory up to this number; then it starts anew. */
const REMEMBERED = 4096

/** Counters of the namespace that are the storage's own business. */
export interface Tally {
  /** How many holders of a resource have been put down ever, and how many of them are remembered. */
  ended: number
  remembered: number
}

/**
 * Who held a resource last, over rows that know in which order they ended. What this connection has read or written it
 * knows without reading it again, until {@link SqlitePrevious.forget}.
 */
export class SqlitePrevious implements Previous {
  readonly #database: Database
  readonly #tally: Tally
  readonly #get: Statement
  readonly #update: Statement
  readonly #insert: Statement
  #forgetOldest: Statement | undefined
  /** `undefined`: nobody is remembered. */
  readonly #known = new Map<string, PreviousView | undefined>()

  constructor(database: Database, tally: Tally) {
    this.#database = database
    this.#tally = tally
    this.#get = database.prepare('SELECT agent_id, wall_until, fence, reason FROM previous WHERE resource_id = ?')
    this.#update = database.prepare(
      'UPDATE previous SET place = ?2, agent_id = ?3, wall_until = ?4, fence = ?5, reason = ?6 WHERE resource_id = ?1',
    )
    this.#insert = database.prepare(
      'INSERT INTO previous (resource_id, place, agent_id, wall_until, fence, reason) VALUES (?, ?, ?, ?, ?, ?)',
    )
  }

  /** Another process may have changed the rows, or this one's changes were taken back. */
  forget(): void {
    this.#known.clear()
  }

  get(resourceId: string): PreviousView | undefined {
    if (this.#known.has(resourceId)) return this.#known.get(resourceId)
    const row = this.#get.get(resourceId)
    const [agentId, wallUntil, fence, reason] = row ?? []
    const view = row === undefined ? undefined : ({ resourceId, agentId, wallUntil, fence, reason } as PreviousView)
    this.#know(resourceId, view)
    return view
  }

  put(view: PreviousView, keep: number): void {
    const { resourceId, agentId, wallUntil, fence, reason } = view
    const tally = this.#tally
    tally.ended += 1
    const { changes } = this.#update.run(resourceId, tally.ended, agentId, wallUntil, fence, reason)
    if (changes === 0) {
      this.#insert.run(resourceId, tally.ended, agentId, wallUntil, fence, reason)
      tally.remembered += 1
    }
    this.#know(resourceId, view)
    if (tally.remembered > keep) {
      this.#trim(tally.remembered - keep)
      tally.remembered = keep
    }
  }

  #know(resourceId: string, view: PreviousView | undefined): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(resourceId, view)
  }

  /** Most namespaces never know that many resources, and are spared an index that each release would write to. */
  #trim(count: number): void {
    if (this.#forgetOldest === undefined) {
      this.#database.exec('CREATE INDEX IF NOT EXISTS previous_by_place ON previous (place)')
      this.#forgetOldest = this.#database.prepare(
        'DELETE FROM previous WHERE place IN (SELECT place FROM previous ORDER BY place LIMIT ?) RETURNING resource_id',
      )
    }
    for (const [resourceId] of this.#forgetOldest.all(count)) this.#known.delete(String(resourceId))
  }
}

import type { RequestRow, Requests } from '../../core/table/storage.ts'
import { TurnoverMap } from '../../core/turnover.ts'
import { MemoryClaims } from './claims.ts'
import { Agenda, NumberLists } from './ordered.ts'

/** The requests over maps, with the indexes that find them again. */
export class MemoryRequests implements Requests {
  readonly claims: MemoryClaims = new MemoryClaims()
  readonly #rows = new TurnoverMap<number, RequestRow>()
  readonly #due = new Agenda<number>()
  readonly #wanted = new Agenda<number>()
  readonly #behind = new NumberLists()
  readonly #chains = new NumberLists()
  readonly #sessions = new NumberLists()

  get(id: number): RequestRow | undefined {
    return this.#rows.get(id)
  }

  insert(row: RequestRow): void {
    this.#rows.set(row.id, row)
    this.claims.insert(row)
    this.#index(row, 'add')
  }

  update(row: RequestRow): void {
    const known = this.#rows.get(row.id)
    if (known === undefined) throw new Error(`request ${row.id} is not there to be changed`)
    this.#rows.set(row.id, row)
    if ((known.lease === null) !== (row.lease === null)) this.claims.move(known, row)
    this.#index(known, 'delete')
    this.#index(row, 'add')
  }

  delete({ id }: RequestRow): void {
    const known = this.#rows.get(id)
    if (known === undefined) return
    this.#rows.delete(id)
    this.claims.delete(known)
    this.#index(known, 'delete')
  }

  due(now: number, limit: number): readonly RequestRow[] {
    return this.#read(this.#due.due(now, limit))
  }

  nextWanted(): number | undefined {
    return this.#wanted.first()?.[0]
  }

  behind(blocker: number, limit: number): readonly RequestRow[] {
    return this.#read(this.#behind.between(String(blocker), 0, Infinity, limit))
  }

  ofChain(chain: string, state: 'waiting' | 'held', limit: number): readonly RequestRow[] {
    return this.#read(this.#chains.between(`${state} ${chain}`, 0, Infinity, limit))
  }

  waitingOf(session: string, limit: number): readonly RequestRow[] {
    return this.#read(this.#sessions.between(session, 0, Infinity, limit))
  }

  #index(row: RequestRow, change: 'add' | 'delete'): void {
    const { id, dueAt, chain, lease, blocker } = row
    if (dueAt !== null) this.#due[change](dueAt, id)
    if (lease?.wanted && dueAt !== null) this.#wanted[change](dueAt, id)
    if (chain !== null) this.#chains[change](`${lease === null ? 'waiting' : 'held'} ${chain}`, id)
    if (lease !== null) return
    this.#sessions[change](row.session, id)
    if (blocker !== null) this.#behind[change](String(blocker), id)
  }

  #read(ids: readonly number[]): RequestRow[] {
    return ids.flatMap((id) => this.#rows.get(id) ?? [])
  }
}

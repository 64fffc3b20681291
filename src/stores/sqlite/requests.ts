import type { Owner, RequestRow, Requests } from '../../core/table/storage.ts'
import { SqliteClaims } from './claims.ts'
import type { Database, Row, Statement, Value } from './engine.ts'
import { readClaims, readText, writeClaims } from './texts.ts'

/** Rows are kept in memory up to this number; then it starts anew. */
const REMEMBERED = 4096

/** So many requests may be younger than the agenda. */
const YOUNG = 128

const COLUMNS = `id, held, session, birth, agent_id, chain, claims, ttl_ms, max_hold_ms, reason, metadata, token_hash,
  queued_at, due_at, blocker, owners, fence, granted_at, wall_locked_at, confirmed, wanted`

/**
 * The requests over rows. What this connection has read or written it knows without reading it again, until another
 * one changes the file ({@link SqliteRequests.forget}).
 */
export class SqliteRequests implements Requests {
  readonly claims: SqliteClaims
  readonly #known = new Map<number, RequestRow>()
  /** Nothing is due before this; 0 if that is not known. */
  #quietUntil = 0
  /** Requests up to this id are on the agenda, if that is known, and the last one that is not. */
  #agendaUpTo: number | undefined
  #youngest = 0
  /** Whether any request waits, if that is known. */
  #hasWaiting: boolean | undefined
  readonly #get: Statement
  readonly #insert: Statement
  readonly #update: Statement
  readonly #delete: Statement
  readonly #firstDue: Statement
  readonly #firstYoung: Statement
  readonly #readAgenda: Statement
  readonly #writeAgenda: Statement
  readonly #putOnAgenda: Statement
  readonly #due: Statement
  readonly #nextWanted: Statement
  readonly #behind: Statement
  readonly #ofChain: Statement
  readonly #waitingOf: Statement
  readonly #anyWaiting: Statement

  constructor(database: Database) {
    this.claims = new SqliteClaims(database, () => this.#anyWaits())
    const select = (rest: string): Statement => database.prepare(`SELECT ${COLUMNS} FROM requests ${rest}`)
    this.#get = select('WHERE id = ?')
    this.#insert = database.prepare(
      `INSERT INTO requests (${COLUMNS}) VALUES (${COLUMNS.split(',')
        .map(() => '?')
        .join(', ')})`,
    )
    this.#update = database.prepare(
      `UPDATE requests SET held = ?2, ttl_ms = ?3, max_hold_ms = ?4, token_hash = ?5, queued_at = ?6, due_at = ?7,
         blocker = ?8, owners = ?9, fence = ?10, granted_at = ?11, wall_locked_at = ?12, confirmed = ?13, wanted = ?14,
         agenda_at = iif(?1 > ?15, NULL, ?7)
       WHERE id = ?1`,
    )
    this.#delete = database.prepare('DELETE FROM requests WHERE id = ?')
    this.#firstDue = database.prepare('SELECT min(agenda_at) FROM requests WHERE agenda_at IS NOT NULL')
    this.#firstYoung = database.prepare('SELECT min(due_at), max(id) FROM requests NOT INDEXED WHERE id > ?')
    this.#readAgenda = database.prepare('SELECT agenda_up_to FROM namespace')
    this.#writeAgenda = database.prepare('UPDATE namespace SET agenda_up_to = ?')
    this.#putOnAgenda = database.prepare('UPDATE requests SET agenda_at = due_at WHERE id > ? AND due_at IS NOT NULL')
    this.#due = select('WHERE agenda_at <= ? ORDER BY agenda_at, id LIMIT ?')
    this.#nextWanted = database.prepare('SELECT min(due_at) FROM requests WHERE wanted = 1')
    this.#behind = select('WHERE blocker = ? ORDER BY id LIMIT ?')
    this.#ofChain = select('WHERE chain = ? AND held = ? ORDER BY id LIMIT ?')
    this.#waitingOf = select('WHERE session = ? AND held = 0 ORDER BY id LIMIT ?')
    this.#anyWaiting = database.prepare('SELECT EXISTS (SELECT 1 FROM requests WHERE held = 0)')
  }

  /** Another process may have changed the rows, or this one's changes were taken back. */
  forget(): void {
    this.#known.clear()
    this.#quietUntil = 0
    this.#agendaUpTo = undefined
    this.#hasWaiting = undefined
    this.claims.forget()
  }

  get(id: number): RequestRow | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const row = this.#get.get(id)
    return row === undefined ? undefined : this.#read(row)
  }

  insert(row: RequestRow): void {
    const { id, session, birth, agentId, chain, claims, reason, metadata, lease } = row
    const { ttlMs, maxHoldMs, tokenHash, queuedAt, dueAt, blocker } = row
    const request = [id, lease === null ? 0 : 1, session, birth, agentId, chain, writeClaims(claims), ttlMs, maxHoldMs]
    this.#insert.run(...request, reason, metadata, tokenHash, queuedAt, dueAt, blocker, ...leaseColumns(row))
    this.claims.insert(id, claims, lease !== null)
    this.#note(row)
    if (id > this.#youngest) this.#youngest = id
  }

  update(row: RequestRow): void {
    const known = this.get(row.id)
    if (known === undefined) throw new Error(`request ${row.id} is not there to be changed`)
    const { id, lease, ttlMs, maxHoldMs, tokenHash, queuedAt, dueAt, blocker } = row
    this.#update.run(
      id,
      lease === null ? 0 : 1,
      ttlMs,
      maxHoldMs,
      tokenHash,
      queuedAt,
      dueAt,
      blocker,
      ...leaseColumns(row),
      this.#agenda(),
    )
    if (known.lease === null && lease !== null) this.claims.grant(id, row.claims)
    this.#note(row)
  }

  delete({ id }: RequestRow): void {
    const known = this.get(id)
    if (known === undefined) return
    this.#delete.run(id)
    this.claims.delete(id, known.claims, known.lease !== null)
    this.#known.delete(id)
  }

  due(now: number, limit: number): readonly RequestRow[] {
    if (now < this.#quietUntil && this.#youngest - this.#agenda() <= YOUNG) return []
    const [young, youngest] = this.#firstYoung.get(this.#agenda()) ?? []
    this.#youngest = Number(youngest ?? 0)
    const first = Math.min(Number(young ?? Infinity), Number(this.#firstDue.get()?.[0] ?? Infinity))
    this.#quietUntil = first
    if (now < first && this.#youngest - this.#agenda() <= YOUNG) return []
    if (this.#youngest > this.#agenda()) this.#extendAgenda()
    return now < first ? [] : this.#due.all(now, limit).map((row) => this.#read(row))
  }

  nextWanted(): number | undefined {
    const first = this.#nextWanted.get()?.[0] ?? undefined
    return first === undefined ? undefined : Number(first)
  }

  behind(blocker: number, limit: number): readonly RequestRow[] {
    return this.#anyWaits() ? this.#behind.all(blocker, limit).map((row) => this.#read(row)) : []
  }

  ofChain(chain: string, state: 'waiting' | 'held', limit: number): readonly RequestRow[] {
    return this.#ofChain.all(chain, state === 'held' ? 1 : 0, limit).map((row) => this.#read(row))
  }

  waitingOf(session: string, limit: number): readonly RequestRow[] {
    return this.#waitingOf.all(session, limit).map((row) => this.#read(row))
  }

  #anyWaits(): boolean {
    this.#hasWaiting ??= this.#anyWaiting.get()?.[0] === 1
    return this.#hasWaiting
  }

  #agenda(): number {
    this.#agendaUpTo ??= Number(this.#readAgenda.get()?.[0])
    return this.#agendaUpTo
  }

  #extendAgenda(): void {
    this.#putOnAgenda.run(this.#agenda())
    this.#writeAgenda.run(this.#youngest)
    this.#agendaUpTo = this.#youngest
  }

  #read(row: Row): RequestRow {
    const known = this.#known.get(Number(row[0]))
    if (known !== undefined) return known
    const request = toRequest(row)
    this.#remember(request)
    return request
  }

  #note(row: RequestRow): void {
    this.#remember(row)
    if (row.dueAt !== null && row.dueAt < this.#quietUntil) this.#quietUntil = row.dueAt
    if (row.lease === null) this.#hasWaiting = true
  }

  #remember(row: RequestRow): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(row.id, row)
  }
}

/** A lease that has one owner, the session that asked for it, needs no list of them. */
function leaseColumns({ lease, tokenHash, session }: RequestRow): Value[] {
  if (lease === null) return [null, null, null, null, null, null]
  const { owners, fence, grantedAt, wallLockedAt, confirmed, wanted } = lease
  const [owner, second] = owners
  const isOnlyOwner = second === undefined && owner?.hash === tokenHash && owner.session === session
  const listed = isOnlyOwner ? null : JSON.stringify(owners)
  return [listed, fence, grantedAt, wallLockedAt, confirmed ? 1 : 0, wanted ? 1 : 0]
}

function isOwners(owners: readonly Owner[]): boolean {
  return (
    owners.length > 0 && owners.every(({ hash, session }) => typeof hash === 'string' && typeof session === 'string')
  )
}

function toRequest(row: Row): RequestRow {
  const [id, held, session, birth, agentId, chain, claims, ttlMs, maxHoldMs, reason, metadata, tokenHash, ...rest] = row
  const [queuedAt, dueAt, blocker, owners, fence, grantedAt, wallLockedAt, confirmed, wanted] = rest
  const listed = owners === null ? [{ hash: tokenHash, session }] : readText<readonly Owner[]>(owners, isOwners)
  const flags = { confirmed: confirmed === 1, wanted: wanted === 1 }
  const lease = { owners: listed, fence, grantedAt, wallLockedAt, ...flags }
  const asked = {
    id,
    session,
    birth,
    agentId,
    chain,
    claims: readClaims(String(claims)),
    ttlMs,
    maxHoldMs,
    reason,
    metadata,
  }
  return { ...asked, tokenHash, queuedAt, dueAt, blocker, lease: held === 1 ? lease : null } as RequestRow
}

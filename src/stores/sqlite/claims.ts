import type { Claim, Mode } from '../../core/model.ts'
import { AGAINST, ancestorsOf, prefixUnder } from '../../core/resource/resource.ts'
import type { Claims, InTheWay, PagedClaim, Place } from '../../core/table/storage.ts'
import type { Database, Row, Statement, Value } from './engine.ts'

/** Above every text, because to SQLite a blob is greater than any text. */
const END: Value = new Uint8Array(0)

/** Where the claims of a place and a mode are found; `?1` is the id. */
interface Source {
  readonly table: string
  readonly where: (mode: Mode) => string
}

const WAITING: Readonly<Record<Place, Source>> = {
  at: { table: 'claims', where: (mode) => `held = 0 AND mode = '${mode}' AND resource_id = ?1` },
  tree: {
    table: 'claims INDEXED BY claims_of_trees',
    where: (mode) => `held = 0 AND mode = '${mode}' AND resource_id = ?1 AND scope = 'tree'`,
  },
  under: { table: 'waiting_under', where: (mode) => `mode = '${mode}' AND ancestor_id = ?1` },
}

const HELD: Readonly<Record<'at' | 'tree', Source>> = {
  at: { table: 'claims', where: (mode) => `held = 1 AND mode = '${mode}' AND resource_id = ?1` },
  tree: {
    table: 'claims INDEXED BY claims_of_trees',
    where: (mode) => `held = 1 AND mode = '${mode}' AND resource_id = ?1 AND scope = 'tree'`,
  },
}

const heldUnder = (mode: Mode): string =>
  `SELECT request_id FROM claims WHERE held = 1 AND mode = '${mode}' AND resource_id >= ?1 AND resource_id < ?2`

/** The statements that look for conflicts with a claim of one mode at one place. */
interface Looks {
  readonly inTheWay: Statement
  readonly waiting: Statement
  readonly countWaiting: Statement
}

/** The index of claims over rows. */
export class SqliteClaims implements Claims {
  readonly #looks: Readonly<Record<Place, Readonly<Record<Mode, Looks>>>>
  readonly #heldAt: Readonly<Record<'at' | 'tree', Readonly<Record<Mode, Statement>>>>
  readonly #heldUnder: Readonly<Record<Mode, Statement>>
  readonly #anyWaits: () => boolean
  readonly #firstHeld: Readonly<Record<'at' | 'tree', Readonly<Record<Mode, Statement>>>>
  readonly #hasTrees: Statement
  readonly #page: Statement
  readonly #insert: Statement
  readonly #grant: Statement
  readonly #delete: Statement
  readonly #insertUnder: Statement
  readonly #deleteUnder: Statement
  /** Types of which it is known whether they have tree claims. */
  readonly #trees = new Map<string, boolean>()

  /** @param anyWaits whether any request waits at all */
  constructor(database: Database, anyWaits: () => boolean) {
    this.#anyWaits = anyWaits
    const looksAt = (place: Place): Record<Mode, Looks> => ({
      exclusive: prepareLooks(database, place, 'exclusive'),
      shared: prepareLooks(database, place, 'shared'),
    })
    this.#looks = { at: looksAt('at'), tree: looksAt('tree'), under: looksAt('under') }
    const heldAt = (place: 'at' | 'tree', mode: Mode): Statement => database.prepare(heldQuery(place, mode))
    this.#heldAt = {
      at: { exclusive: heldAt('at', 'exclusive'), shared: heldAt('at', 'shared') },
      tree: { exclusive: heldAt('tree', 'exclusive'), shared: heldAt('tree', 'shared') },
    }
    const firstHeld = (place: 'at' | 'tree', mode: Mode): Statement =>
      database.prepare(`SELECT ${firstHeldOf(place, mode)}`)
    this.#firstHeld = {
      at: { exclusive: firstHeld('at', 'exclusive'), shared: firstHeld('at', 'shared') },
      tree: { exclusive: firstHeld('tree', 'exclusive'), shared: firstHeld('tree', 'shared') },
    }
    const allUnder = (mode: Mode): Statement =>
      database.prepare(`${heldUnder(mode)} ORDER BY resource_id, request_id LIMIT ?3`)
    this.#heldUnder = { exclusive: allUnder('exclusive'), shared: allUnder('shared') }
    this.#hasTrees = database.prepare(
      `SELECT EXISTS (SELECT 1 FROM claims INDEXED BY claims_of_trees
         WHERE scope = 'tree' AND resource_id >= ?1 AND resource_id < ?2)`,
    )
    this.#page = database.prepare(
      `SELECT request_id, resource_id FROM claims
       WHERE held = 1 AND mode = ?1 AND resource_id >= max(?2, ?4) AND resource_id < ?3
         AND NOT (resource_id = ?4 AND request_id <= ?5)
       ORDER BY resource_id, request_id LIMIT ?6`,
    )
    this.#insert = database.prepare(
      'INSERT OR IGNORE INTO claims (held, mode, resource_id, request_id, scope) VALUES (?, ?, ?, ?, ?)',
    )
    const whichOne = 'mode = ?1 AND resource_id = ?2 AND request_id = ?3'
    this.#grant = database.prepare(`UPDATE claims SET held = 1 WHERE held = 0 AND ${whichOne}`)
    this.#delete = database.prepare(`DELETE FROM claims WHERE held = ?4 AND ${whichOne}`)
    this.#insertUnder = database.prepare('INSERT OR IGNORE INTO waiting_under VALUES (?, ?, ?, ?)')
    this.#deleteUnder = database.prepare(
      'DELETE FROM waiting_under WHERE mode = ? AND ancestor_id = ? AND request_id = ? AND resource_id = ?',
    )
  }

  /** Another process may have changed the rows. */
  forget(): void {
    this.#trees.clear()
  }

  insert(id: number, claims: readonly Claim[], isHeld: boolean): void {
    for (const claim of claims) {
      if (claim.scope === 'tree') this.#trees.clear()
      this.#insert.run(isHeld ? 1 : 0, claim.mode, claim.resourceId, id, claim.scope)
      if (!isHeld) this.#eachAncestor(this.#insertUnder, id, claim)
    }
  }

  delete(id: number, claims: readonly Claim[], isHeld: boolean): void {
    for (const claim of claims) {
      if (claim.scope === 'tree') this.#trees.clear()
      this.#delete.run(claim.mode, claim.resourceId, id, isHeld ? 1 : 0)
      if (!isHeld) this.#eachAncestor(this.#deleteUnder, id, claim)
    }
  }

  /** A waiting request was granted. */
  grant(id: number, claims: readonly Claim[]): void {
    for (const claim of claims) {
      this.#grant.run(claim.mode, claim.resourceId, id)
      this.#eachAncestor(this.#deleteUnder, id, claim)
    }
  }

  hasTrees(type: string): boolean {
    let known = this.#trees.get(type)
    if (known === undefined) {
      known = this.#hasTrees.get(`${type}:`, `${type};`)?.[0] === 1
      this.#trees.set(type, known)
    }
    return known
  }

  inTheWay(place: Place, resourceId: string, mode: Mode, before: number): InTheWay {
    if (place !== 'under' && !this.#anyWaits()) {
      return { waiting: undefined, held: idOf(this.#firstHeld[place][mode].get(resourceId)?.[0]) }
    }
    const row = this.#looks[place][mode].inTheWay.get(resourceId, finite(before))
    const waiting = idOf(row?.[0])
    return { waiting, held: place === 'under' ? this.held(place, resourceId, mode, 0, 1)[0] : idOf(row?.[1]) }
  }

  held(place: Place, resourceId: string, mode: Mode, after: number, limit: number): readonly number[] {
    if (place !== 'under') return this.#heldAt[place][mode].all(resourceId, after, limit).map(firstNumber)
    const [start, end] = rangeUnder(resourceId)
    const found: number[] = []
    for (const other of AGAINST[mode]) {
      if (found.length >= limit) break
      for (const row of this.#heldUnder[other].all(start, end, limit - found.length)) found.push(firstNumber(row))
    }
    return found
  }

  waiting(
    place: Place,
    resourceId: string,
    mode: Mode,
    after: number,
    before: number,
    limit: number,
  ): readonly number[] {
    return this.#looks[place][mode].waiting.all(resourceId, after, finite(before), limit).map(firstNumber)
  }

  countWaiting(place: Place, resourceId: string, mode: Mode, before: number, limit: number): number {
    return Number(this.#looks[place][mode].countWaiting.get(resourceId, finite(before), limit)?.[0])
  }

  page(prefix: string, after: string | null, limit: number): readonly PagedClaim[] {
    const start = parsePlace(after)
    const found: PagedClaim[] = []
    for (const mode of AGAINST.exclusive) {
      if (start.mode > mode || found.length >= limit) continue
      const [resourceId, id] = start.mode === mode ? [start.resourceId, start.id] : ['', 0]
      const rows = this.#page.all(mode, prefix, textAfter(prefix), resourceId, id, limit - found.length)
      for (const row of rows) {
        const claim = { id: Number(row[0]), resourceId: String(row[1]), mode }
        found.push({ ...claim, place: `${mode} ${claim.id} ${claim.resourceId}` })
      }
    }
    return found
  }

  #eachAncestor(statement: Statement, id: number, { mode, resourceId }: Claim): void {
    for (const ancestor of ancestorsOf(resourceId)) statement.run(mode, ancestor, id, resourceId)
  }
}

function prepareLooks(database: Database, place: Place, mode: Mode): Looks {
  const waiting = WAITING[place]
  const against = AGAINST[mode]
  const each = (text: (other: Mode) => string, separator: string): string => against.map(text).join(separator)
  const last = (other: Mode): string =>
    `(SELECT max(request_id) FROM ${waiting.table} WHERE ${waiting.where(other)} AND request_id < ?2)`
  return {
    inTheWay: database.prepare(
      `SELECT ${mode === 'shared' ? last('exclusive') : laterOf(last('exclusive'), last('shared'))} AS waiting,
         ${place === 'under' ? 'NULL' : firstHeldOf(place, mode)} AS held`,
    ),
    waiting: database.prepare(
      `${each(
        (other) => `SELECT ${place === 'under' ? 'DISTINCT' : ''} request_id FROM ${waiting.table}
           WHERE ${waiting.where(other)} AND request_id > ?2 AND request_id < ?3`,
        ' UNION ',
      )} ORDER BY request_id LIMIT ?4`,
    ),
    countWaiting: database.prepare(
      `SELECT min(?3, ${each(
        (other) => `(SELECT count(*) FROM (SELECT 1 FROM ${waiting.table}
           WHERE ${waiting.where(other)} AND request_id < ?2 LIMIT ?3))`,
        ' + ',
      )})`,
    ),
  }
}

/** SQLite's max() of two values is null if one of them is. */
function laterOf(a: string, b: string): string {
  return `nullif(max(coalesce(${a}, 0), coalesce(${b}, 0)), 0)`
}

/** An exclusive one, if there is one. */
function firstHeldOf(place: 'at' | 'tree', mode: Mode): string {
  const { table, where } = HELD[place]
  return `coalesce(${AGAINST[mode].map((other) => `(SELECT min(request_id) FROM ${table} WHERE ${where(other)})`).join(', ')}, NULL)`
}

function heldQuery(place: 'at' | 'tree', mode: Mode): string {
  const { table, where } = HELD[place]
  const selects = AGAINST[mode].map(
    (other) => `SELECT request_id FROM ${table} WHERE ${where(other)} AND request_id > ?2`,
  )
  return `${selects.join(' UNION ')} ORDER BY request_id LIMIT ?3`
}

/** The range of the ids strictly under one. The root of a type starts with its own prefix, but is not under itself. */
function rangeUnder(resourceId: string): readonly [Value, Value] {
  const prefix = prefixUnder(resourceId)
  // No id has a control character.
  return [prefix === resourceId ? `${prefix}\u0001` : prefix, textAfter(prefix)]
}

/** The least value that is greater than every text with this prefix, as SQLite compares: by bytes of UTF-8. */
function textAfter(prefix: string): Value {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  while (points.length > 0) {
    const last = points.pop() ?? 0
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
  }
  return END
}

function parsePlace(place: string | null): { mode: string; id: number; resourceId: string } {
  const [, mode = '', id = 0, resourceId = ''] = /^(exclusive|shared) ([0-9]+) (.*)$/su.exec(place ?? '') ?? []
  return { mode, id: Number(id), resourceId }
}

function finite(id: number): number {
  return id === Infinity ? Number.MAX_SAFE_INTEGER : id
}

function idOf(value: Value | undefined): number | undefined {
  return value === undefined || value === null ? undefined : Number(value)
}

function firstNumber(row: Row): number {
  return Number(row[0])
}

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { StoreUnavailableError } from '../../core/errors.ts'

/** What a column can hold. */
export type Value = null | number | string | Uint8Array

/** A row as an array: it costs less than half of what a row as an object does. */
export type Row = readonly Value[]

/** A prepared statement. The columns of a query must have names of their own. */
export interface Statement {
  run(...values: readonly Value[]): { readonly changes: number | bigint }
  get(...values: readonly Value[]): Row | undefined
  all(...values: readonly Value[]): readonly Row[]
}

/** A connection that is open. */
export interface Database {
  exec(sql: string): void
  prepare(sql: string): Statement
  /** Ends a transaction if one is open. */
  rollback(): void
  close(): void
}

let loaded: (new (path: string) => DatabaseSync) | undefined

/**
 * Opens a file with Node's own SQLite, which is loaded when it is first needed.
 *
 * @throws StoreUnavailableError if this Node has none; SQLite's own error if the file cannot be opened.
 */
export function openDatabase(path: string): Database {
  loaded ??= loadQuietly()
  const database = new loaded(path)
  return {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => prepare(database, sql),
    rollback: () => {
      try {
        database.exec('ROLLBACK')
      } catch {
        // None was open. Node says so itself only from 22.16 on.
      }
    },
    close: () => database.close(),
  }
}

/**
 * Prepares a statement with parameters of the form `?` or `?N`, not both. Before Node 22.20 and 24.8 SQLite is told of
 * no value for `?N`, so each becomes a `?`, and its value is put where it stands.
 */
function prepare(database: DatabaseSync, sql: string): Statement {
  const places: number[] = []
  const text = sql.replaceAll(/\?(\d+)/g, (_, number: string) => {
    places.push(Number(number) - 1)
    return '?'
  })
  const statement = withRowsAsArrays(database.prepare(text))
  if (places.length === 0) return statement
  const placed = (values: readonly Value[]): Value[] => places.map((place) => values[place] ?? null)
  return {
    run: (...values) => statement.run(...placed(values)),
    get: (...values) => statement.get(...placed(values)),
    all: (...values) => statement.all(...placed(values)),
  }
}

/**
 * Without the notice that SQLite is experimental in this version of Node: the users of a lock manager cannot act on
 * it. All is synchronous, so no warning of anybody else can fall into the time in which this one is held back.
 */
function loadQuietly(): new (path: string) => DatabaseSync {
  const emitWarning = Reflect.get(process, 'emitWarning')
  const isNotice = (values: readonly unknown[]): boolean =>
    values.includes('ExperimentalWarning') && String(values[0]).startsWith('SQLite ')
  process.emitWarning = (...values: readonly unknown[]) => {
    if (!isNotice(values)) Reflect.apply(emitWarning, process, values)
  }
  try {
    const found = process.getBuiltinModule('node:sqlite')
    if (found !== undefined) return found.DatabaseSync
  } finally {
    process.emitWarning = emitWarning
  }
  throw new StoreUnavailableError(
    `This Node (${process.version}) was built without node:sqlite. Use an official build of Node 22.14 or later, or another store.`,
  )
}

function withRowsAsArrays(statement: StatementSync): Statement {
  if (typeof statement.setReturnArrays === 'function') {
    statement.setReturnArrays(true)
    return statement as unknown as Statement
  }
  // Node 22.14 and 22.15 know only rows as objects.
  const toRow = (row: object): Row => Object.values(row) as Row
  return {
    run: (...values) => statement.run(...values),
    get: (...values) => {
      const row = statement.get(...values)
      return row === undefined ? undefined : toRow(row)
    },
    all: (...values) => statement.all(...values).map(toRow),
  }
}

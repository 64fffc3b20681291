import { InvalidRequestError } from '../../core/errors.ts'
import { checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { checkResetTo, type Fenced, fencedOut, tokenOf } from '../fence.ts'
import { checkPostgresClient, identifier, type PostgresClient, query, type Row } from './client.ts'

/** Which table is guarded, and how. */
export interface GuardedTableOptions {
  readonly table: string
  /** Default: as the connection's `search_path` finds it. */
  readonly schema?: string
  /** The column that keeps the highest token of each row. Default `'holdfast_fence'`. */
  readonly column?: string
}

/** Names of columns, and values as the client takes them. */
export type Columns = Readonly<Record<string, unknown>>

/** Guards for the rows of one table. */
export interface GuardedTable {
  /**
   * Enters, reads the row, calls `fn` with it, and writes the columns that it returns (none: nothing). Enter-and-read and
   * check-and-write are one statement each; between them nothing is locked, and no transaction is open unless you gave
   * a client that is in one.
   *
   * @param key the columns that name one row, `{ id: 42 }`
   * @returns the row as it was written
   * @throws FencedOutError (FENCED_OUT) if a later holder has been there, or the guard was reset
   * @throws InvalidRequestError (INVALID) if there is no such row: insert it first, for the token is kept with it
   * @throws what `fn` throws, and the client's own errors; after those of the network the write may have happened
   */
  update(lock: Fenced, key: Columns, fn: (row: Row) => Columns | Promise<Columns>): Promise<Row>
  /** Enters and writes columns that do not depend on what was there; one statement. */
  write(lock: Fenced, key: Columns, columns: Columns): Promise<Row>
  /** The highest token that has entered; 0 for none. */
  fence(key: Columns): Promise<number>
  /**
   * The administrator's way out where a token that no clock will reach has entered, so that every new holder is refused.
   * Updates under way are refused by it.
   *
   * @param to the highest token from now on. Default 0: the guard forgets all tokens.
   * @returns the highest token until now
   */
  resetFence(key: Columns, to?: number): Promise<number>
}

const OPTIONS: readonly (keyof GuardedTableOptions)[] = ['table', 'schema', 'column']
const DEFAULT_COLUMN = 'holdfast_fence'

/** The statement that adds the column of a guard to a table, where it is not there yet. It does not rewrite the table. */
export function fenceColumnSql(options: GuardedTableOptions): string {
  checkOptions(options, OPTIONS, 'fenceColumnSql')
  const column = identifier(options.column ?? DEFAULT_COLUMN)
  return `ALTER TABLE ${tableOf(options)} ADD COLUMN IF NOT EXISTS ${column} bigint NOT NULL DEFAULT 0`
}

/**
 * Guards the rows of a table by fencing tokens, which are kept in a column of the table (see {@link fenceColumnSql}).
 * Any session that writes without the guard passes it by. Where the locks are in the same database, `assertHeld` in the
 * user's own transaction is exact and needs no column.
 *
 * @param client a Pool or Client of `pg`, or the `sql` of `postgres`; it stays yours
 * @throws InvalidRequestError for another client or unknown options
 */
export function guardedTable(client: PostgresClient, options: GuardedTableOptions): GuardedTable {
  checkPostgresClient(client)
  checkOptions(options, OPTIONS, 'guardedTable')
  const table = tableOf(options)
  const column = options.column ?? DEFAULT_COLUMN
  const fence = identifier(column)
  const nameOf = (key: Columns): string => `The row ${show(key)} of ${table}`

  async function highest(key: Columns): Promise<number> {
    const [row] = await query(client, `SELECT ${fence} AS fence FROM ${table} WHERE ${where(key, 0)}`, valuesOf(key))
    if (row === undefined) throw missing(nameOf(key))
    return Number(row['fence'])
  }

  /** Sets columns where the fence compares so with the token; the row that this gives, or why not. */
  async function set(lock: Fenced, key: Columns, columns: Columns, compare: '<=' | '='): Promise<Row> {
    if (Object.hasOwn(columns, column)) throw new InvalidRequestError(`${fence} is the guard's own column.`)
    // As text: a client may take a number of this size for an int4, or for a float.
    const values = [String(tokenOf(lock)), ...valuesOf(columns)]
    const assignments = [`${fence} = $1::bigint`, ...equations(columns, 1)].join(', ')
    const condition = `${where(key, values.length)} AND ${fence} ${compare} $1::bigint`
    const text = `UPDATE ${table} SET ${assignments} WHERE ${condition} RETURNING *`
    const [row] = await query(client, text, [...values, ...valuesOf(key)])
    if (row === undefined) throw fencedOut(nameOf(key), lock, await highest(key))
    return row
  }

  return {
    async update(lock, key, fn) {
      const columns = await fn(await set(lock, key, {}, '<='))
      return set(lock, key, checkColumns(columns), '=')
    },
    write: (lock, key, columns) => set(lock, key, checkColumns(columns), '<='),
    fence: highest,
    async resetFence(key, to = 0) {
      const before = await highest(key)
      const values = [String(checkResetTo(to)), ...valuesOf(key)]
      await query(client, `UPDATE ${table} SET ${fence} = $1::bigint WHERE ${where(key, 1)}`, values)
      return before
    },
  }
}

function tableOf({ schema, table }: GuardedTableOptions): string {
  return schema === undefined ? identifier(table) : `${identifier(schema)}.${identifier(table)}`
}

function where(key: Columns, after: number): string {
  const conditions = equations(key, after)
  if (conditions.length > 0) return conditions.join(' AND ')
  throw new InvalidRequestError('No row was named: give the columns of its key, { id: 42 }.')
}

function equations(columns: Columns, after: number): readonly string[] {
  return Object.keys(columns).map((name, index) => `${identifier(name)} = $${after + index + 1}`)
}

function valuesOf(columns: Columns): readonly unknown[] {
  return Object.values(columns)
}

function checkColumns(columns: Columns): Columns {
  if (typeof columns === 'object' && columns !== null && !Array.isArray(columns)) return columns
  throw new InvalidRequestError(`${show(columns)} is not an object of columns: return those that are to be written.`)
}

function missing(row: string): InvalidRequestError {
  return new InvalidRequestError(`${row} does not exist. Insert it before it is guarded: the token is kept with it.`)
}

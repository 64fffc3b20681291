import { createHash } from 'node:crypto'
import { InvalidRequestError } from '../../../core/errors.ts'
import { connectionLost, lacksStatement } from '../failures.ts'
import { type ResultRow, ServerError } from '../link.ts'
import {
  ANSWER_MS,
  CONNECT_MS,
  type PostgresClient,
  type Run,
  serverName,
  TRANSACTION_MS,
  type Value,
} from './client.ts'
import { inTime } from './deadline.ts'
import { clientMaker, type NewClient, type PgLoan, type PgPool, type Result, type Statement } from './pg-library.ts'
import { PgNotifications } from './pg-notifications.ts'

/** The server was the primary once, perhaps: another connection may lead to the one that is it now. */
const READ_ONLY = '25006'

/** Commands over a pool of `pg`. */
export class PgPoolClient implements PostgresClient {
  readonly name: string
  readonly heals = false
  readonly openNotifications: PostgresClient['openNotifications']
  readonly #pool: PgPool
  readonly #isOurs: boolean
  /** Whether the server may keep statements by name: that saves it reading them again, and poolers may mix them up. */
  #isNaming = true

  /** @param isOurs whether the pool was made for the store, and ends with it */
  constructor(pool: PgPool, isOurs: boolean) {
    const newClient = clientMaker(pool)
    this.#pool = pool
    this.#isOurs = isOurs
    this.name = nameOf(newClient)
    if (newClient !== undefined) {
      this.openNotifications = (events) => PgNotifications.open(newClient, this.name, events)
    }
    hearErrors(pool)
  }

  async query(text: string, values: readonly Value[]): Promise<readonly ResultRow[]> {
    if (values.length === 0) return this.#withConnection(async (run) => run({ text }))
    const statement = { text, values: [...values] }
    if (!this.#isNaming) return this.#withConnection(async (run) => run(statement))
    try {
      return await this.#withConnection(async (run) => run({ ...statement, name: statementName(text) }))
    } catch (error) {
      if (!lacksStatement(error)) throw error
      this.#isNaming = false
    }
    return this.#withConnection(async (run) => run(statement))
  }

  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.#withConnection(async (run) => {
      await run({ text: 'BEGIN ISOLATION LEVEL READ COMMITTED' })
      try {
        const result = await work((text) => run({ text }))
        await run({ text: 'COMMIT' })
        return result
      } catch (error) {
        // Where the connection is broken the server rolls back by itself.
        await run({ text: 'ROLLBACK' }).catch(ignore)
        throw error
      }
    }, TRANSACTION_MS)
  }

  async close(): Promise<void> {
    // A pool that has ended may still tell of the last connections.
    if (this.#isOurs) await this.#pool.end()
    else stopHearingErrors(this.#pool)
  }

  async #withConnection<T>(
    work: (run: (statement: Statement) => Promise<readonly ResultRow[]>) => Promise<T>,
    answerMs: number = ANSWER_MS,
  ): Promise<T> {
    const connection = await this.#borrow()
    let isBroken = false
    try {
      return await work(async (statement) => {
        if (isBroken) throw connectionLost(this.name)
        try {
          return rowsOf(await inTime(connection.query(statement), answerMs, this.name, 'sent'))
        } catch (error) {
          isBroken ||= !(error instanceof ServerError) || error.sqlState === READ_ONLY
          throw error
        }
      })
    } finally {
      giveBack(connection, isBroken)
    }
  }

  async #borrow(): Promise<PgLoan> {
    const borrowing = borrow(this.#pool)
    try {
      return await inTime(borrowing, CONNECT_MS, this.name, 'unsent')
    } catch (error) {
      // Should it still come, nobody waits for it any more.
      borrowing.then((connection) => giveBack(connection, false), ignore)
      throw error
    }
  }
}

/**
 * Hears the connection's errors from the very moment in which the pool no longer does: the server may send one with its
 * last answer, before a promise could tell of the connection. What goes wrong is told by the statement; unheard, the
 * event as well would end the process.
 */
function borrow(pool: PgPool): Promise<PgLoan> {
  return new Promise((resolve, reject) => {
    pool.connect((error, connection) => {
      if (connection === undefined) return reject(error ?? new Error('the pool gave no connection'))
      connection.on('error', ignore)
      resolve(connection)
    })
  })
}

function giveBack(connection: PgLoan, isBroken: boolean): void {
  connection.removeListener('error', ignore)
  connection.release(isBroken)
}

/** A connection that is never opened knows what the pool's options and the environment make of host and port. */
function nameOf(newClient: NewClient | undefined): string {
  if (newClient === undefined) return 'postgres:'
  try {
    const { host, port, database = '' } = newClient()
    return serverName(host, port, database)
  } catch (cause) {
    throw new InvalidRequestError(`postgresStore: pg does not understand its options. (${String(cause)})`, { cause })
  }
}

/** Those of the last statement, where there were several. */
function rowsOf(answer: Result | readonly Result[]): readonly ResultRow[] {
  const last = Array.isArray(answer) ? (answer as readonly Result[]).at(-1) : (answer as Result)
  return last?.rows ?? []
}

/** The same for the same text, whoever uses the connection behind a pooler. */
function statementName(text: string): string {
  return `holdfast_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}

/** How many stores use a pool. */
const users = new WeakMap<PgPool, number>()

/** A pool tells of a connection that was cut while nobody used it; unheard, that would end the process. */
function hearErrors(pool: PgPool): void {
  const count = users.get(pool) ?? 0
  if (count === 0) pool.on('error', ignore)
  users.set(pool, count + 1)
}

function stopHearingErrors(pool: PgPool): void {
  const count = (users.get(pool) ?? 1) - 1
  if (count === 0) pool.removeListener('error', ignore)
  users.set(pool, count)
}

function ignore(): void {}

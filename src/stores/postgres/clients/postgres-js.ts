import { lacksStatement } from '../failures.ts'
import type { ResultRow } from '../link.ts'
import {
  ANSWER_MS,
  CONNECT_MS,
  type NotificationConnection,
  type NotificationEvents,
  type PostgresClient,
  type Run,
  serverName,
  TRANSACTION_MS,
  type Value,
} from './client.ts'
import { inTime } from './deadline.ts'
import { literal } from './literal.ts'

/** Of several statements in one text it gives a list of results, each of them a list of rows. */
type Rows = PromiseLike<readonly (ResultRow | readonly ResultRow[])[]>

interface Unsafe {
  unsafe(text: string, values?: Value[], options?: { readonly prepare?: boolean }): Rows
}

/** What the function of `postgres` (porsager) gives, as far as it is used here. */
export interface PostgresJs extends Unsafe {
  readonly options: {
    readonly host: readonly string[]
    readonly port: readonly number[]
    readonly path?: string | false | undefined
    readonly database: string
    readonly prepare: boolean
  }
  begin(options: string, work: (transaction: Unsafe) => Promise<unknown>): Promise<unknown>
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen: () => void,
  ): PromiseLike<{ unlisten(): Promise<void> }>
}

/** Whether a value is what the function of `postgres` gives. */
export function isPostgresJs(value: unknown): value is PostgresJs {
  return typeof value === 'function' && 'unsafe' in value && 'begin' in value && 'listen' in value && 'options' in value
}

/** Commands and notifications over a user's client of the library `postgres`. */
export class PostgresJsClient implements PostgresClient {
  readonly name: string
  /** It opens the connection for its listeners again, and again, by itself. */
  readonly heals = true
  readonly #sql: PostgresJs
  readonly #notifications: PostgresJsNotifications
  /** Whether the server may keep statements by name; poolers may mix them up. */
  #isNaming: boolean

  constructor(sql: PostgresJs) {
    const { host, port, path, database } = sql.options
    const folder = typeof path === 'string' ? path.slice(0, path.lastIndexOf('/')) : undefined
    this.#sql = sql
    this.#isNaming = sql.options.prepare
    this.name = serverName(folder ?? host[0] ?? 'localhost', port[0] ?? 5432, database)
    this.#notifications = new PostgresJsNotifications(sql, this.name)
  }

  async query(text: string, values: readonly Value[]): Promise<readonly ResultRow[]> {
    // An unnamed statement with values would be two round trips in this library, one with the values in it is one.
    const unnamed = (): Promise<readonly ResultRow[]> => this.#answered(this.#sql.unsafe(withValues(text, values)))
    if (!this.#isNaming || values.length === 0) return unnamed()
    try {
      return await this.#answered(this.#sql.unsafe(text, [...values], { prepare: true }))
    } catch (error) {
      if (!lacksStatement(error)) throw error
      this.#isNaming = false
      return unnamed()
    }
  }

  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const results: T[] = []
    const done = this.#sql.begin('isolation level read committed', async (transaction) => {
      results.push(await work((text) => this.#answered(transaction.unsafe(text), TRANSACTION_MS)))
    })
    await inTime(done, TRANSACTION_MS, this.name, 'sent')
    const [result] = results
    return result as T
  }

  async openNotifications(events: NotificationEvents): Promise<NotificationConnection> {
    return this.#notifications.tell(events)
  }

  async close(): Promise<void> {
    this.#notifications.forget()
  }

  // The library does not say when the statement had its connection.
  async #answered(rows: Rows, ms: number = CONNECT_MS + ANSWER_MS): Promise<readonly ResultRow[]> {
    return rowsOf(await inTime(rows, ms, this.name, 'sent'))
  }
}

interface Channel {
  /** What the library's call gave. */
  readonly called: Promise<{ unlisten(): Promise<void> }>
  /** Whether that is known. */
  isCalled: boolean
  /** Resolves once the library says that it listens; if its first attempt failed, once a later one has not. */
  readonly opened: Promise<void>
  isOpen: boolean
}

/**
 * The library's own connection for listeners, which all users of this client share. The library goes on trying for a
 * channel that it was once told of, and told twice it would deliver twice: so it is told once, whatever happens.
 */
class PostgresJsNotifications implements NotificationConnection {
  readonly #sql: PostgresJs
  readonly #name: string
  #events: NotificationEvents | undefined
  readonly #channels = new Map<string, Channel>()

  constructor(sql: PostgresJs, name: string) {
    this.#sql = sql
    this.#name = name
  }

  /** Tells these from now on. */
  tell(events: NotificationEvents): this {
    this.#events = events
    return this
  }

  async listen(channel: string): Promise<void> {
    let known = this.#channels.get(channel)
    if (known === undefined) this.#channels.set(channel, (known = this.#begin(channel)))
    const waiting: Promise<unknown> = known.isCalled ? known.opened : Promise.race([known.opened, known.called])
    await inTime(waiting, CONNECT_MS, this.#name, 'unsent')
  }

  async unlisten(channel: string): Promise<void> {
    const known = this.#channels.get(channel)
    this.#channels.delete(channel)
    // Where the connection is away this is done when it is back, and nobody need wait for that.
    known?.called.then((listening) => listening.unlisten()).catch(() => undefined)
  }

  end(): void {
    this.#events = undefined
  }

  forget(): void {
    this.end()
    for (const channel of this.#channels.keys()) void this.unlisten(channel)
  }

  #begin(channel: string): Channel {
    let open = (): void => {}
    const opened = new Promise<void>((resolve) => (open = resolve))
    const isKnown = (): boolean => this.#channels.get(channel) === known
    const onListen = (): void => {
      if (!isKnown()) return
      if (known.isOpen) this.#events?.onGap(channel)
      known.isOpen = true
      open()
    }
    const onNotify = (payload: string): void => {
      if (isKnown()) this.#events?.onNotification(channel, payload)
    }
    const called = Promise.resolve(this.#sql.listen(channel, onNotify, onListen))
    const known: Channel = { called, isCalled: false, opened, isOpen: false }
    const settle = (): void => void (known.isCalled = true)
    called.then(settle, settle)
    return known
  }
}

function rowsOf(answer: Awaited<Rows>): readonly ResultRow[] {
  const last = answer.at(-1)
  return Array.isArray(last) ? (last as readonly ResultRow[]) : (answer as readonly ResultRow[])
}

/** The values put into the text. */
function withValues(text: string, values: readonly Value[]): string {
  return text.replaceAll(/\$(\d+)/gu, (_, number) => literal(values[Number(number) - 1] ?? null))
}

import { StoreUnavailableError } from '../../core/errors.ts'
import type { Answer, Batch, Listener, LockStore, StoreLimits, Subscription } from '../../core/store.ts'
import type { TableStorage } from '../../core/table/storage.ts'
import { applyBatch, type Applied } from '../../core/table/table.ts'
import { hashToken } from '../../core/table/token-hash.ts'
import { monotonicMs } from './clock.ts'
import { Connection, type LeaseClock } from './connection.ts'
import { unavailable } from './failures.ts'
import { Growth, Pushes } from './notify.ts'

/** How often it is looked whether the file is still the one that its name leads to. */
const CHECK_MS = 1000

export interface SqliteStoreSettings {
  readonly file: string
  readonly clock: LeaseClock
  readonly limits: StoreLimits
  readonly wrap: (storage: TableStorage) => TableStorage
}

/** One namespace in one file: the lock table over rows, and whoever listens to it in this process. */
export class SqliteStore implements LockStore {
  readonly name: string
  readonly #settings: SqliteStoreSettings
  readonly #closing = new AbortController()
  readonly #pushes: Pushes
  readonly #growth: Growth
  #connection: Connection | undefined
  /** The fencing tokens go on above this, also in another file. */
  #floor = 0
  #epoch: string | null = null
  #checkedAtMs = 0
  /** Resolves when all that was asked for before is done. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(settings: SqliteStoreSettings) {
    const { file } = settings
    this.name = `sqlite:${file}`
    this.#settings = settings
    this.#pushes = new Pushes(`${file}-wake`, (session) => this.#connection?.messagesFor(session) ?? [])
    this.#growth = new Growth(file, () => this.#connection?.lastEvent() ?? 0)
  }

  /** @throws StoreUnavailableError; the signal's reason */
  static async open(settings: SqliteStoreSettings, signal?: AbortSignal): Promise<SqliteStore> {
    const store = new SqliteStore(settings)
    const abort = (): void => store.#closing.abort(signal?.reason)
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const connection = await store.#connected()
      store.#pushes.clear(connection.sessions())
      return store
    } catch (error) {
      await store.close()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  apply(batch: Batch): Promise<Answer> {
    // One transaction at a time on one connection.
    const answer = this.#last.then(() => this.#apply(batch))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async subscribe(session: string, listener: Listener): Promise<Subscription> {
    this.#refuseWhenClosed()
    try {
      return subscription(this.#pushes.listen(session, listener))
    } catch (error) {
      throw unavailable(error, this.#settings.file)
    }
  }

  async follow(onGrowth: () => void): Promise<Subscription> {
    this.#refuseWhenClosed()
    return subscription(this.#growth.follow(onGrowth))
  }

  async close(): Promise<void> {
    this.#closing.abort(new StoreUnavailableError(`The store ${this.name} was closed.`))
    await this.#last
    this.#pushes.close()
    this.#growth.close()
    this.#connection?.close()
    this.#connection = undefined
  }

  async #apply(batch: Batch): Promise<Answer> {
    const { file, limits } = this.#settings
    let applied: Applied
    try {
      const connection = this.#isDoubtful() ? await this.#connected() : this.#connection
      if (connection === undefined) throw new StoreUnavailableError(`The store ${this.name} is not open.`)
      applied = await connection.transact((table, moment) =>
        applyBatch(table, batch, { ...moment, limits, hash: hashToken }),
      )
    } catch (error) {
      // What is wrong may be that the file was taken away: the next call finds out.
      this.#checkedAtMs = 0
      throw unavailable(error, file)
    }
    this.#publish(batch, applied)
    return applied.answer
  }

  #publish({ session }: Batch, { answer, posts, logged }: Applied): void {
    if (answer.fresh) this.#pushes.restart(session)
    if (this.#epoch !== answer.epoch) {
      this.#epoch = answer.epoch
      this.#pushes.restart(session)
    }
    for (const [receiver, messages] of posts) this.#pushes.send(receiver, messages)
    if (logged) this.#growth.look()
  }

  #isDoubtful(): boolean {
    return this.#connection === undefined || monotonicMs() - this.#checkedAtMs > CHECK_MS
  }

  /** The connection; a new one, to a new file if need be, if the old file was deleted or replaced. */
  async #connected(): Promise<Connection> {
    this.#refuseWhenClosed()
    if (this.#connection?.isOrphaned() === true) {
      this.#floor = Math.max(this.#floor, this.#connection.lastFence())
      this.#connection.close()
      this.#connection = undefined
    }
    if (this.#connection === undefined) {
      const { file, clock, wrap } = this.#settings
      this.#connection = await Connection.open({ file, clock, wrap, signal: this.#closing.signal, floor: this.#floor })
      this.#growth.restart()
    }
    this.#checkedAtMs = monotonicMs()
    return this.#connection
  }

  #refuseWhenClosed(): void {
    this.#closing.signal.throwIfAborted()
  }
}

function subscription(end: () => void): Subscription {
  return { close: async () => end() }
}

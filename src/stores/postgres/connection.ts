import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../../core/errors.ts'
import { NotExecutedError, type Subscription } from '../../core/store.ts'
import type { PostgresClient, Value } from './clients/client.ts'
import { isRetryable, lacksSchema } from './failures.ts'
import type { PostgresLink, ResultRow } from './link.ts'
import { Listener, type ListenerTimes } from './listener.ts'
import { ensureSchema } from './migrations.ts'

/** How often a transaction is tried that had to give way to another. */
const ATTEMPTS = 5
const LONGEST_PAUSE_MS = 20

export interface ConnectionSettings {
  /** For commands. */
  readonly client: PostgresClient
  /** For notifications; `undefined` where there are none, and everybody looks at intervals. */
  readonly notifier: PostgresClient | undefined
  readonly schema: string
  /** Whether the schema may be installed. */
  readonly migrate: boolean
  readonly times?: ListenerTimes
}

/** A server as all namespaces of a store share it: the client, the listener, and the schema that was looked at. */
export class Connection {
  readonly #settings: ConnectionSettings
  readonly #listener: Listener
  #ready: Promise<unknown> | undefined

  constructor(settings: ConnectionSettings) {
    const { client, notifier, times } = settings
    this.#settings = settings
    const open = notifier?.openNotifications?.bind(notifier)
    const source =
      notifier === undefined || open === undefined
        ? undefined
        : {
            name: notifier.name,
            heals: notifier.heals,
            open,
            notify: (channel: string) => client.query('SELECT pg_notify($1::text, $2::text)', [channel, '']),
          }
    this.#listener = new Listener(source, times)
  }

  /** Resolves once the schema is there. @throws StoreUnavailableError that says what to do */
  async ready(): Promise<void> {
    const { client, schema, migrate } = this.#settings
    this.#ready ??= ensureSchema(client, schema, migrate)
    try {
      await this.#ready
    } catch (error) {
      this.#ready = undefined
      throw error
    }
  }

  /** A user's link, whose `close` ends what was listened to through it, and then calls back. */
  link(onClose: () => Promise<void>): PostgresLink {
    const open = new Set<Subscription>()
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await Promise.all([...open].map((subscription) => subscription.close()))
      await onClose()
    }
    const refuseWhenClosed = (): void => {
      if (closing !== undefined) throw new NotExecutedError('The store was closed.')
    }
    return {
      name: this.#settings.client.name,
      query: async (text, values) => {
        refuseWhenClosed()
        return this.#query(text, values)
      },
      listen: async (channel, handler) => {
        refuseWhenClosed()
        return track(open, await this.#listener.listen(channel, handler))
      },
      close: () => (closing ??= close()),
    }
  }

  async close(): Promise<void> {
    const { client, notifier } = this.#settings
    this.#listener.close()
    await Promise.all([client.close(), notifier === client ? undefined : notifier?.close()])
  }

  async #query(text: string, values: readonly Value[]): Promise<readonly ResultRow[]> {
    const { client } = this.#settings
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await client.query(text, values)
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
        if (isRetryable(error)) await sleep(Math.random() * LONGEST_PAUSE_MS)
        else if (attempt === 1 && lacksSchema(error)) await this.#readyAgain()
        else throw error
      }
    }
  }

  /** The schema was dropped, or a newer one installed, since it was looked at. */
  async #readyAgain(): Promise<void> {
    this.#ready = undefined
    try {
      await this.ready()
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || error instanceof NotExecutedError) throw error
      // Whatever may have become of the schema, the statement that met this was rolled back.
      throw new NotExecutedError(error.message, { cause: error })
    }
  }
}

function track(open: Set<Subscription>, subscription: Subscription): Subscription {
  const tracked = {
    close: async (): Promise<void> => {
      open.delete(tracked)
      await subscription.close()
    },
  }
  open.add(tracked)
  return tracked
}

import { systemClock } from '../../../core/time/clock.ts'
import { quoteName } from '../schema.ts'
import { ANSWER_MS, CONNECT_MS, type NotificationConnection, type NotificationEvents } from './client.ts'
import { inTime } from './deadline.ts'
import type { NewClient, PgClient } from './pg-library.ts'

/** How long a server may take to close a connection that is no longer wanted. */
const GOODBYE_MS = 1_000

/** A connection of its own, with the options of the pool. */
export class PgNotifications implements NotificationConnection {
  readonly #client: PgClient
  readonly #name: string
  /** Resolves when all that was asked before is answered. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(client: PgClient, name: string) {
    this.#client = client
    this.#name = name
  }

  static async open(newClient: NewClient, name: string, events: NotificationEvents): Promise<PgNotifications> {
    const client = newClient({ keepAlive: true, connectionTimeoutMillis: CONNECT_MS })
    client.on('error', ignore)
    client.on('end', () => events.onEnd())
    client.on('notification', ({ channel, payload }) => events.onNotification(channel, payload ?? ''))
    try {
      await inTime(client.connect(), CONNECT_MS, name, 'unsent')
    } catch (error) {
      client.end().catch(ignore)
      throw error
    }
    // Whoever waits for something keeps the process alive by that.
    client.unref?.()
    return new PgNotifications(client, name)
  }

  async listen(channel: string): Promise<void> {
    await this.#run(`LISTEN ${quoteName(channel)}`)
  }

  async unlisten(channel: string): Promise<void> {
    await this.#run(`UNLISTEN ${quoteName(channel)}`).catch(ignore)
  }

  end(): void {
    const client = this.#client
    // A server that is silent does not say goodbye.
    const timer = systemClock.after(GOODBYE_MS, () => client.connection?.stream?.destroy())
    client.end().then(() => timer.cancel(), ignore)
  }

  async #run(text: string): Promise<void> {
    const client = this.#client
    // One after the other: pg does not want to be asked before it has answered.
    const answering = this.#last.then(() => client.query({ text }))
    this.#last = answering.catch(ignore)
    await inTime(answering, ANSWER_MS, this.#name, 'sent')
  }
}

function ignore(): void {}

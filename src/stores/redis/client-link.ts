import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../../core/errors.ts'
import { NotExecutedError, type Subscription } from '../../core/store.ts'
import type { Client } from './clients/client.ts'
import { failureOf, isPassing, unreachable } from './failures.ts'
import type { ChannelHandler, RedisLink } from './link.ts'
import type { ReplicaWish } from './replicas.ts'
import { Subscriptions } from './subscriptions.ts'

/** How long a command may take, waiting for a connection included; less than callers' patience with the store. */
const CALL_MS = 3_000

/** The pause before it is looked again whether a command can be sent. */
const PAUSE_MS = 20

/** The link over one client. It gives each command a deadline, and tells what was executed from what was not. */
export class ClientLink implements RedisLink {
  readonly #client: Client
  readonly #subscriptions: Subscriptions
  #closed = false

  constructor(client: Client) {
    this.#client = client
    this.#subscriptions = new Subscriptions(client)
  }

  /** Tries once to connect. @throws NotExecutedError */
  async connect(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no connection in time')), CALL_MS)
    })
    try {
      await Promise.race([this.#client.connect(), overdue])
    } catch (error) {
      throw unreachable(this.#client.lastError() ?? error, this.name)
    } finally {
      clearTimeout(timer)
    }
  }

  get name(): string {
    return this.#client.name
  }

  get sharded(): boolean {
    return this.#client.isCluster
  }

  /** As {@link RedisLink.call}. What the server refuses for a while is sent again until the deadline. */
  async call(key: string, command: string, args: readonly string[]): Promise<unknown> {
    const deadline = performance.now() + CALL_MS
    for (let pauseMs = PAUSE_MS; ; pauseMs *= 2) {
      if (this.#closed || !this.#client.isReady()) await this.#untilReady(deadline)
      try {
        return await this.#send(key, command, args, deadline)
      } catch (error) {
        if (!isPassing(error) || performance.now() + pauseMs > deadline) throw failureOf(error, this.name)
      }
      await sleep(pauseMs)
    }
  }

  subscribe(key: string, channel: string, handler: ChannelHandler): Promise<Subscription> {
    return this.#subscriptions.add(key, channel, handler)
  }

  /**
   * How many replicas have all that the primary has executed until now.
   *
   * @throws NotExecutedError; StoreUnavailableError
   */
  async waitForReplicas(key: string, { count, timeoutMs }: ReplicaWish): Promise<number> {
    const deadline = performance.now() + CALL_MS + timeoutMs
    await this.#untilReady(deadline)
    try {
      // WAIT is about what this connection has executed before, and it may be a new one that has executed nothing: so
      // something goes ahead of it, in the same breath and so over the same connection.
      const [, confirmed] = await Promise.all([
        this.#send(key, 'TIME', [], deadline),
        this.#send(key, 'WAIT', [String(count), String(timeoutMs)], deadline),
      ])
      return Number(confirmed)
    } catch (error) {
      throw failureOf(error, this.name)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([this.#subscriptions.close(), this.#client.close()])
  }

  /** Rather than into the client's own line, where a command would wait on after its caller was told that it was not sent. */
  async #untilReady(deadline: number): Promise<void> {
    while (!this.#client.isReady()) {
      if (this.#closed) throw new NotExecutedError(`The store ${this.name} was closed.`)
      if (this.#client.hasEnded() || performance.now() > deadline) {
        throw unreachable(this.#client.lastError(), this.name)
      }
      await sleep(PAUSE_MS)
    }
    if (this.#closed) throw new NotExecutedError(`The store ${this.name} was closed.`)
  }

  #send(key: string, command: string, args: readonly string[], deadline: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const answer = this.#client.send(key, command, args)
      const timer = setTimeout(() => {
        this.#client.renew(key)
        reject(
          new StoreUnavailableError(
            `Redis at ${this.name} has not answered in time. What was asked for may have been done.`,
          ),
        )
      }, deadline - performance.now())
      const settle = (end: () => void): void => {
        clearTimeout(timer)
        end()
      }
      answer.then(
        (reply) => settle(() => resolve(reply)),
        (error: unknown) => settle(() => reject(error)),
      )
    })
  }
}

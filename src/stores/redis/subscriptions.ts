import { setTimeout as sleep } from 'node:timers/promises'
import type { Subscription } from '../../core/store.ts'
import { type Client, CONNECT_MS, type Listening } from './clients/client.ts'
import { slotOf } from './clients/slot.ts'
import { failureOf, isPassing, replyCode } from './failures.ts'
import type { ChannelHandler } from './link.ts'

/** The pauses before a lost connection is made again. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1_000

/** How often it is asked whether a connection on which nothing arrives is still there. */
const PING_MS = 10_000

/**
 * The channels of a store: all over one connection, or in a Cluster over one for each slot, which follows the slot from
 * node to node.
 */
export class Subscriptions {
  readonly #client: Client
  readonly #lines = new Map<number, Line>()

  constructor(client: Client) {
    this.#client = client
  }

  /** Resolves once what is published on the channel is delivered. @throws StoreUnavailableError */
  async add(key: string, channel: string, handler: ChannelHandler): Promise<Subscription> {
    const slot = this.#client.isCluster ? slotOf(key) : 0
    const line = this.#lines.get(slot) ?? new Line(this.#client, key)
    this.#lines.set(slot, line)
    const end = async (): Promise<void> => {
      line.remove(channel, handler)
      if (!line.isEmpty || this.#lines.get(slot) !== line) return
      this.#lines.delete(slot)
      await line.close()
    }
    try {
      await line.add(channel, handler)
    } catch (error) {
      await end()
      throw failureOf(error, this.#client.name)
    }
    return { close: end }
  }

  async close(): Promise<void> {
    const lines = [...this.#lines.values()]
    this.#lines.clear()
    await Promise.all(lines.map((line) => line.close()))
  }
}

/**
 * One connection at a time, and what is to be subscribed on it. When it is lost another one is made, until the line is
 * closed; what was missed meanwhile nobody knows, so all handlers are told of an interruption.
 */
class Line {
  readonly #client: Client
  readonly #key: string
  readonly #handlers = new Map<string, Set<ChannelHandler>>()
  readonly #closing = new AbortController()
  #listening: Promise<Listening> | undefined
  /** The connection that is in use: the loss of any other is not news. */
  #current: object | undefined
  #ping: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(client: Client, key: string) {
    this.#client = client
    this.#key = key
  }

  get isEmpty(): boolean {
    return this.#handlers.size === 0
  }

  async add(channel: string, handler: ChannelHandler): Promise<void> {
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers.add(handler))
    const deadline = performance.now() + CONNECT_MS
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      try {
        const listening = await this.#connected()
        return await this.#inTime(listening.subscribe(channel))
      } catch (error) {
        // A connection may break while it is made, and a slot may be about to move. What is refused for good is not.
        const mayPass = replyCode(error) === undefined || isPassing(error)
        if (!mayPass || this.#closing.signal.aborted || performance.now() + pauseMs > deadline) throw error
      }
      await sleep(pauseMs)
      await this.#relocate().catch(() => {})
    }
  }

  remove(channel: string, handler: ChannelHandler): void {
    const handlers = this.#handlers.get(channel)
    handlers?.delete(handler)
    if (handlers === undefined || handlers.size > 0) return
    this.#handlers.delete(channel)
    // On a connection that is lost meanwhile there is nothing to take back.
    this.#listening?.then((listening) => listening.unsubscribe(channel)).catch(() => {})
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#ping)
    clearTimeout(this.#retry)
    const listening = await this.#listening?.catch(() => undefined)
    this.#listening = undefined
    await listening?.close()
  }

  /** Has the client find out who has the slot now: any command for the key does. */
  async #relocate(): Promise<void> {
    if (!this.#client.isCluster || !this.#client.isReady()) return
    await this.#inTime(this.#client.send(this.#key, 'HGET', [this.#key, '']))
  }

  /** The connection; a new one, with all channels subscribed, where there is none. */
  #connected(): Promise<Listening> {
    if (this.#listening !== undefined) return this.#listening
    const listening = this.#connect()
    this.#listening = listening
    listening.catch(() => {
      if (this.#listening === listening) this.#listening = undefined
    })
    return listening
  }

  async #connect(): Promise<Listening> {
    const made = { lost: false }
    const onLost = (): void => {
      made.lost = true
      this.#onLost(made)
    }
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(CONNECT_MS)])
    const onText = (channel: string, text: string): void => this.#deliver(channel, text)
    const listening = await this.#client.listen(this.#key, { onText, onLost }, signal)
    try {
      for (const channel of this.#handlers.keys()) await this.#inTime(listening.subscribe(channel))
      this.#closing.signal.throwIfAborted()
      if (made.lost) throw new Error('The connection was lost again.')
    } catch (error) {
      await listening.close()
      throw error
    }
    this.#current = made
    this.#watch(listening, onLost)
    return listening
  }

  #onLost(lost: object): void {
    if (this.#current !== lost) return
    this.#current = undefined
    this.#listening = undefined
    clearInterval(this.#ping)
    this.#restore(FIRST_PAUSE_MS)
  }

  #restore(pauseMs: number): void {
    if (this.#closing.signal.aborted) return
    this.#retry = setTimeout(() => {
      const connected = this.#relocate().then(
        () => this.#connected(),
        () => this.#connected(),
      )
      connected.then(
        () => this.#interrupt(),
        () => this.#restore(Math.min(pauseMs * 2, LONGEST_PAUSE_MS)),
      )
    }, pauseMs).unref()
  }

  /** A connection may be dead without anybody having said so. */
  #watch(listening: Listening, onLost: () => void): void {
    clearInterval(this.#ping)
    this.#ping = setInterval(() => {
      // A refused ping is an answer too.
      this.#inTime(listening.ping().catch(() => undefined)).catch(() => {
        void listening.close()
        onLost()
      })
    }, PING_MS).unref()
  }

  #deliver(channel: string, text: string): void {
    for (const handler of this.#handlers.get(channel) ?? []) handler.onText(text)
  }

  #interrupt(): void {
    for (const handlers of this.#handlers.values()) for (const handler of handlers) handler.onInterruption()
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The subscription was not confirmed in time.')), CONNECT_MS)
    })
    try {
      return await Promise.race([work, overdue])
    } finally {
      clearTimeout(timer)
    }
  }
}

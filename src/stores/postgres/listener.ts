import { StoreUnavailableError } from '../../core/errors.ts'
import { randomId } from '../../core/random-id.ts'
import type { Subscription } from '../../core/store.ts'
import { systemClock, type Timer } from '../../core/time/clock.ts'
import type { NotificationConnection, NotificationEvents } from './clients/client.ts'
import { type ChannelHandler, ServerError } from './link.ts'

/** Where a listener's notifications come from. */
export interface NotificationSource {
  /** What a person would recognise the server by. */
  readonly name: string
  readonly open: (events: NotificationEvents) => Promise<NotificationConnection>
  /** Whether a connection that was cut comes back by itself. */
  readonly heals: boolean
  /** Notifies a channel over the connections for commands. */
  readonly notify: (channel: string) => Promise<unknown>
}

/** How patient a listener is, in milliseconds. */
export interface ListenerTimes {
  /** How often it asks whether its connection still carries anything. */
  readonly probeMs: number
  /** How long a notification may take. */
  readonly echoMs: number
  /** How often those who wait for notifications look for themselves while there can be none. */
  readonly pollMs: number
  /** The pauses between attempts to connect again. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

export const LISTENER_TIMES: ListenerTimes = {
  probeMs: 10_000,
  echoMs: 3_000,
  pollMs: 1_000,
  firstPauseMs: 50,
  longestPauseMs: 2_000,
}

/**
 * The notifications of all channels of this process, over one connection that is opened at the first. It is opened again
 * when it is lost, and tested by an echo of its own: a connection that was cut silently, or a pooler that lends another
 * one to each statement, looks well and carries nothing. While there is none, everybody is told to look at intervals.
 */
export class Listener {
  readonly #source: NotificationSource | undefined
  readonly #times: ListenerTimes
  readonly #handlers = new Map<string, Set<ChannelHandler>>()
  /** Where the listener hears itself. */
  readonly #echoChannel = `holdfast_echo_${randomId()}`
  #connection: NotificationConnection | undefined
  /** Counts the connections: what an earlier one still says is not heard. */
  #generation = 0
  #opening: Promise<NotificationConnection> | undefined
  #isDeaf = false
  #attempts = 0
  readonly #echoes = new Set<() => void>()
  #probeTimer: Timer | undefined
  #retryTimer: Timer | undefined
  #pollTimer: Timer | undefined
  #closed = false

  /** @param source `undefined` where there are no notifications, and everybody has to look at intervals */
  constructor(source: NotificationSource | undefined, times: ListenerTimes = LISTENER_TIMES) {
    this.#source = source
    this.#times = times
    this.#isDeaf = source === undefined
  }

  /**
   * Resolves once what is notified on the channel is delivered.
   *
   * @throws StoreUnavailableError if no connection can be had, or nothing comes through it
   */
  async listen(channel: string, handler: ChannelHandler): Promise<Subscription> {
    if (this.#closed) throw new StoreUnavailableError('The store was closed.')
    const handlers = this.#handlers.get(channel) ?? new Set()
    this.#handlers.set(channel, handlers.add(handler))
    const subscription = { close: async (): Promise<void> => this.#leave(channel, handler) }
    try {
      if (this.#source !== undefined) await this.#listenAt(this.#source, channel)
    } catch (error) {
      await subscription.close()
      throw error
    }
    if (this.#isDeaf) this.#poll()
    return subscription
  }

  close(): void {
    this.#closed = true
    this.#handlers.clear()
    for (const timer of [this.#probeTimer, this.#retryTimer, this.#pollTimer]) timer?.cancel()
    this.#drop()
    for (const onEcho of this.#echoes) onEcho()
  }

  async #listenAt(source: NotificationSource, channel: string): Promise<void> {
    const connection = await this.#connected(source)
    try {
      await connection.listen(channel)
    } catch (error) {
      if (connection === this.#connection && !source.heals && !(error instanceof ServerError)) this.#onEnd(source)
      throw error
    }
  }

  async #leave(channel: string, handler: ChannelHandler): Promise<void> {
    const handlers = this.#handlers.get(channel)
    handlers?.delete(handler)
    if (handlers?.size !== 0) return
    this.#handlers.delete(channel)
    await this.#connection?.unlisten(channel)
  }

  /** The connection; while it is lost, the next attempt to open it. */
  #connected(source: NotificationSource): Promise<NotificationConnection> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection)
    this.#retryTimer?.cancel()
    this.#opening ??= this.#open(source).finally(() => (this.#opening = undefined))
    return this.#opening
  }

  async #open(source: NotificationSource): Promise<NotificationConnection> {
    const generation = (this.#generation += 1)
    const isCurrent = (): boolean => this.#generation === generation && !this.#closed
    let connection: NotificationConnection | undefined
    try {
      connection = await source.open({
        onNotification: (channel, payload) => isCurrent() && this.#onNotification(channel, payload),
        onEnd: () => isCurrent() && this.#onEnd(source),
        onGap: (channel) => isCurrent() && this.#interrupt(this.#handlers.get(channel)),
      })
      await connection.listen(this.#echoChannel)
      if (!(await this.#hears(source))) throw deaf(source.name, this.#times.echoMs)
      for (const channel of this.#handlers.keys()) await connection.listen(channel)
      // The connection may have ended, or the listener been closed, since it was open.
      if (!isCurrent()) throw new StoreUnavailableError(`The connection to ${source.name} was lost.`)
    } catch (error) {
      connection?.end()
      if (isCurrent()) this.#generation += 1
      if (!this.#closed) this.#retry(source)
      throw error
    }
    this.#onOpen(source, connection)
    return connection
  }

  #onOpen(source: NotificationSource, connection: NotificationConnection): void {
    this.#connection = connection
    this.#attempts = 0
    if (this.#isDeaf) this.#interruptAll()
    this.#isDeaf = false
    this.#pollTimer?.cancel()
    this.#probeIn(this.#times.probeMs, source)
  }

  #onNotification(channel: string, payload: string): void {
    if (channel === this.#echoChannel) for (const onEcho of this.#echoes) onEcho()
    for (const handler of this.#handlers.get(channel) ?? []) handler.onText(payload)
  }

  /** The connection is gone; or one that was being opened, of which `#open` hears by itself. */
  #onEnd(source: NotificationSource): void {
    if (this.#connection === undefined) return void (this.#generation += 1)
    this.#drop()
    this.#retry(source)
  }

  #drop(): void {
    this.#generation += 1
    this.#probeTimer?.cancel()
    this.#connection?.end()
    this.#connection = undefined
  }

  /** Tries to connect for as long as somebody listens. */
  #retry(source: NotificationSource): void {
    this.#isDeaf = true
    this.#poll()
    const { firstPauseMs, longestPauseMs } = this.#times
    const pauseMs = Math.min(firstPauseMs * 2 ** this.#attempts, longestPauseMs) * (0.5 + Math.random() / 2)
    this.#attempts += 1
    this.#retryTimer?.cancel()
    this.#retryTimer = systemClock.after(pauseMs, () => {
      if (this.#closed || this.#handlers.size === 0) return
      // Where that fails it has set the timer for the next attempt.
      this.#connected(source).catch(() => undefined)
    })
  }

  #probeIn(ms: number, source: NotificationSource): void {
    this.#probeTimer?.cancel()
    this.#probeTimer = systemClock.after(ms, () => {
      // It has no way to reject: what fails in it is its result.
      void this.#probe(source)
    })
  }

  async #probe(source: NotificationSource): Promise<void> {
    const connection = this.#connection
    // Where not even a command comes through, nothing is known of the listener.
    const hears = await this.#hears(source).catch(() => undefined)
    if (this.#closed || connection === undefined || this.#connection !== connection) return
    if (hears === false && !source.heals) return this.#onEnd(source)
    if (hears === false) {
      this.#isDeaf = true
      this.#poll()
    } else if (hears === true && this.#isDeaf) this.#onOpen(source, connection)
    this.#probeIn(this.#isDeaf ? this.#times.pollMs : this.#times.probeMs, source)
  }

  /** Whether a notification arrives. @throws StoreUnavailableError if it could not be sent */
  async #hears(source: NotificationSource): Promise<boolean> {
    let isHeard = false
    let onEcho = (): void => void (isHeard = true)
    // It may come before the answer to the command that sent it.
    const hear = (): void => onEcho()
    this.#echoes.add(hear)
    let timer: Timer | undefined
    try {
      await source.notify(this.#echoChannel)
      if (isHeard) return true
      return await new Promise<boolean>((resolve) => {
        onEcho = () => resolve(true)
        timer = systemClock.after(this.#times.echoMs, () => resolve(false))
        timer.keepAlive(this.#connection === undefined)
      })
    } finally {
      timer?.cancel()
      this.#echoes.delete(hear)
    }
  }

  #poll(): void {
    this.#pollTimer?.cancel()
    if (this.#closed || this.#handlers.size === 0) return
    this.#pollTimer = systemClock.after(this.#times.pollMs, () => {
      this.#interruptAll()
      this.#poll()
    })
  }

  #interruptAll(): void {
    for (const handlers of this.#handlers.values()) this.#interrupt(handlers)
  }

  #interrupt(handlers: ReadonlySet<ChannelHandler> | undefined): void {
    for (const handler of handlers ?? []) handler.onInterruption()
  }
}

function deaf(name: string, waitedMs: number): StoreUnavailableError {
  return new StoreUnavailableError(
    `No notification came from ${name} within ${waitedMs / 1000} seconds. If a pooler in transaction mode is in between, give the store a way around it (the option listen, with a URL), or do without (listen: false). Otherwise the server is overloaded: try again.`,
  )
}

import { InvalidRequestError, StoreUnavailableError } from '../../src/core/errors.ts'
import {
  type Answer,
  type Batch,
  type Listener,
  type LockStore,
  type Message,
  NotExecutedError,
  type Subscription,
} from '../../src/core/store.ts'
import type { Random } from '../support/random.ts'
import type { ClientProcess } from './client-process.ts'
import { between, dice } from './dice.ts'
import type { Exchange } from './exchange.ts'
import type { Executed } from './store-node.ts'
import type { Timeline } from './timeline.ts'
import type { Weather } from './weather.ts'

/** What a link tells of the answers that arrive. */
export interface LinkObserver {
  /** An answer reaches the client, before the client has seen it. */
  onContact(executed: Executed): void
}

interface Promised {
  resolve(executed: Executed): void
  reject(error: Error): void
}

/** A client's connection to the store, through the network as the faults have made it. */
export class Link implements LockStore {
  readonly name = 'simulated:'
  readonly takesTurns: boolean = true
  readonly #timeline: Timeline
  readonly #process: ClientProcess
  readonly #exchange: Exchange
  readonly #weather: Weather
  readonly #observer: LinkObserver
  readonly #seed: number
  readonly #identity: string
  readonly #ends = new Set<() => void>()
  #sent = 0
  /** The latest batch of which something may have been sent. */
  #lastSent = 0
  #lastAnswered = 0
  #pushed = 0
  #lastPushAt = 0
  #listener: Listener | undefined
  #isSubscribed = false

  constructor(
    parts: { timeline: Timeline; process: ClientProcess; exchange: Exchange; weather: Weather; observer: LinkObserver },
    seed: number,
    identity: string,
  ) {
    this.#timeline = parts.timeline
    this.#process = parts.process
    this.#exchange = parts.exchange
    this.#weather = parts.weather
    this.#observer = parts.observer
    this.#seed = seed
    this.#identity = identity
  }

  apply(batch: Batch): Promise<Answer> {
    this.#sent += 1
    const random = dice(this.#seed, this.#identity, 'apply', batch.number, this.#sent)
    return new Promise((resolve, reject) => {
      const onAnswer = ({ answer }: Executed): void => {
        this.#lastAnswered = batch.number
        resolve(answer)
      }
      this.#send(batch, random, this.#once({ resolve: onAnswer, reject }, random))
    })
  }

  subscribe(session: string, listener: Listener): Promise<Subscription> {
    const random = dice(this.#seed, this.#identity, 'subscribe', this.#timeline.now)
    this.#listener = listener
    return new Promise((resolve, reject) => {
      this.#timeline.in(this.#weather.latency(random) * 2, () => {
        if (!this.#exchange.isUp || this.#weather.isCut) {
          return this.#process.reach(() => reject(new StoreUnavailableError('No subscription.')))
        }
        this.#isSubscribed = true
        const end = this.#exchange.listen(session, this)
        this.#process.reach(() => resolve(this.#closing(end)))
      })
    })
  }

  follow(onGrowth: () => void): Promise<Subscription> {
    const end = this.#exchange.follow((growth) => {
      const random = dice(this.#seed, this.#identity, 'growth', growth)
      if (this.#weather.losesPush(random)) return
      this.#timeline.in(this.#weather.latency(random), () => this.#process.reach(onGrowth))
    })
    return Promise.resolve(this.#closing(end))
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end()
    this.#ends.clear()
  }

  /** Messages leave the store for this client. */
  push(messages: readonly Message[]): void {
    this.#pushed += 1
    const random = dice(this.#seed, this.#identity, 'push', this.#pushed)
    if (!this.#isSubscribed || this.#weather.losesPush(random)) return
    const at = this.#timeline.now + this.#weather.latency(random)
    // One connection keeps the order, unless a fault says otherwise.
    this.#lastPushAt = this.#weather.isLossy ? at : Math.max(at, this.#lastPushAt)
    const deliver = (): void => this.#process.reach(() => this.#listener?.onMessages(messages))
    this.#timeline.at(this.#lastPushAt, deliver)
    if (this.#weather.repeats(random)) this.#timeline.at(at + between(random, 1, 20_000), deliver)
  }

  /** The connection for pushes broke: what is pushed meanwhile is lost, and the client asks once it stands again. */
  interrupt(): void {
    if (!this.#isSubscribed) return
    this.#isSubscribed = false
    const random = dice(this.#seed, this.#identity, 'interrupt', this.#timeline.now)
    const again = (): void => {
      if (!this.#exchange.isUp || this.#weather.isCut) return void this.#timeline.in(500, again)
      this.#isSubscribed = true
      this.#process.reach(() => this.#listener?.onInterruption())
    }
    this.#timeline.in(between(random, 20, 1_000), again)
  }

  #send(batch: Batch, random: Random, answer: Promised): void {
    const fate = this.#weather.fateOf(random)
    if (fate.refused || !this.#exchange.isUp) {
      // Only of the first attempt it is certain that nothing was executed: an earlier one may still be on its way.
      const isCertain = batch.number > this.#lastSent && random.chance(0.5)
      const error = isCertain ? new NotExecutedError('The store is away.') : new StoreUnavailableError('Gone.')
      this.#lastSent = isCertain ? this.#lastSent : batch.number
      this.#timeline.in(fate.thereMs, () => answer.reject(error))
      return
    }
    this.#lastSent = batch.number
    const life = this.#exchange.life
    const arrive = (backMs: number, returns: boolean): void => {
      // A copy of what was answered already does not outlive the connection to a server that failed.
      if (batch.number > this.#lastAnswered || life === this.#exchange.life)
        this.#arrive(batch, backMs, returns, answer)
    }
    if (fate.arrives) this.#timeline.in(fate.thereMs, () => arrive(fate.backMs, fate.returns))
    // A copy of the request, on another way: nobody waits for its answer.
    if (fate.copyAfterMs !== null) {
      this.#timeline.in(fate.thereMs + fate.copyAfterMs, () => arrive(0, false))
    }
  }

  #arrive(batch: Batch, backMs: number, returns: boolean, answer: Promised): void {
    if (!this.#exchange.isUp) {
      if (returns) answer.reject(new StoreUnavailableError('The connection broke.'))
      return
    }
    try {
      const executed = this.#exchange.execute(batch)
      if (!returns) return
      this.#timeline.in(backMs, () => {
        this.#process.reach(() => answer.resolve(executed))
      })
    } catch (error) {
      if (!(error instanceof InvalidRequestError)) throw error
      if (returns) this.#timeline.in(backMs, () => answer.reject(error))
    }
  }

  /** Whoever sent it hears of it once: the answer, an error, or that there was none in time. */
  #once(promised: Promised, random: Random): Promised {
    let isOver = false
    const finish = (run: () => void): void => {
      if (isOver) return
      isOver = true
      timeout.cancel()
      run()
    }
    const timeoutMs = between(random, 1_000, 12_000)
    const timeout = this.#timeline.in(timeoutMs, () => {
      this.#process.reach(() => finish(() => promised.reject(new StoreUnavailableError('There was no answer.'))))
    })
    return {
      resolve: (executed) =>
        finish(() => {
          this.#observer.onContact(executed)
          promised.resolve(executed)
        }),
      reject: (error) => this.#process.reach(() => finish(() => promised.reject(error))),
    }
  }

  #closing(end: () => void): Subscription {
    this.#ends.add(end)
    return {
      close: async () => {
        this.#ends.delete(end)
        end()
      },
    }
  }
}

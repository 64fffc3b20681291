import { InvalidRequestError, type StoreUnavailableError } from '../../core/errors.ts'
import {
  type Answer,
  type Batch,
  type Listener,
  type LockStore,
  NotExecutedError,
  type StoreLimits,
  type Subscription,
} from '../../core/store.ts'
import { decodeAnswer, decodePush } from './decode.ts'
import { replyCode } from './failures.ts'
import { DEFAULT_PREFIX, type Layout, layoutOf } from './layout.ts'
import type { ChannelHandler, RedisLink } from './link.ts'
import { lockTable, TableRunner, type TableScript } from './script.ts'
import { encodeBatch, encodeSettings, isFrugal, makeEpoch } from './wire.ts'

export interface RedisStoreSettings {
  /** Closed with the store. */
  readonly link: RedisLink
  readonly namespace: string
  readonly limits: StoreLimits
  /** What the names of all keys and channels begin with. Default: {@link DEFAULT_PREFIX}. */
  readonly prefix?: string
  /** Default: {@link lockTable}. */
  readonly table?: TableScript
}

/** One namespace on one Redis: the lock table is a script next to its rows, and pushes are published messages. */
export class RedisStore implements LockStore {
  readonly name: string
  readonly isRemote: boolean = true
  readonly #link: RedisLink
  readonly #settings: string
  readonly #layout: Layout
  readonly #table: TableRunner
  readonly #open = new Set<Subscription>()

  constructor({ link, namespace, limits, prefix = DEFAULT_PREFIX, table = lockTable() }: RedisStoreSettings) {
    this.name = link.name
    this.#link = link
    this.#settings = encodeSettings(limits, link.sharded ? 'SPUBLISH' : 'PUBLISH')
    this.#layout = layoutOf(namespace, prefix)
    this.#table = new TableRunner(link, table)
  }

  async apply(batch: Batch): Promise<Answer> {
    // Whoever knows an epoch nearly always finds it: only where the namespace was lost, the batch is sent once more.
    let reply = await this.#execute(batch, batch.epoch === null ? makeEpoch() : undefined)
    if (reply === '!new') reply = await this.#execute(batch, makeEpoch())
    if (typeof reply !== 'string') throw this.#failure('did not answer as the lock table does')
    if (reply.startsWith('!')) throw this.#refusal(reply.slice(1), batch)
    return decodeAnswer(reply)
  }

  subscribe(session: string, listener: Listener): Promise<Subscription> {
    return this.#listen(this.#layout.channelOf(session), {
      onText: (text) => {
        const messages = decodePush(text)
        if (messages === undefined) listener.onInterruption()
        else listener.onMessages(messages)
      },
      onInterruption: () => listener.onInterruption(),
    })
  }

  follow(onGrowth: () => void): Promise<Subscription> {
    return this.#listen(this.#layout.growth, { onText: onGrowth, onInterruption: onGrowth })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((subscription) => subscription.close()))
    await this.#link.close()
  }

  async #execute(batch: Batch, newEpoch: string | undefined): Promise<unknown> {
    try {
      // In a Cluster each key is named: else, while its slot moves from node to node, a batch would meet those keys that
      // have moved already and find nothing in the others. Elsewhere that costs time for nothing.
      const { key, keys } = this.#layout
      const argument = encodeBatch(batch, this.#settings, newEpoch)
      return await this.#table.run(this.#link.sharded ? keys : [key], argument, isFrugal(batch))
    } catch (error) {
      if (error instanceof NotExecutedError && replyCode(error.cause) === 'WRONGTYPE') throw this.#foreign(error)
      throw error
    }
  }

  async #listen(channel: string, handler: ChannelHandler): Promise<Subscription> {
    // What was under way when the subscription was closed is not delivered any more.
    let isOpen = true
    const inner = await this.#link.subscribe(this.#layout.key, channel, {
      onText: (text) => isOpen && handler.onText(text),
      onInterruption: () => isOpen && handler.onInterruption(),
    })
    const subscription = {
      close: async (): Promise<void> => {
        isOpen = false
        if (this.#open.delete(subscription)) await inner.close()
      },
    }
    this.#open.add(subscription)
    return subscription
  }

  /** What the table has refused, by the word that it said. */
  #refusal(said: string, { number, floor }: Batch): InvalidRequestError | StoreUnavailableError {
    const [word = '', detail] = said.split(' ')
    switch (word) {
      case 'stale':
        return new InvalidRequestError(
          `Batch ${number} is a late copy: the session has sent batch ${detail} since. Nothing was done.`,
        )
      case 'floor':
        return new InvalidRequestError(
          `The fencing token ${floor} that this session says it has seen is more than a minute ahead of the store's clock: check the clocks of the machines. Nothing was done.`,
        )
      case 'layout':
        return this.#failure(
          `has the layout ${detail} of another version of Holdfast. Use that version, or another namespace or prefix`,
        )
      case 'numbers':
        return this.#failure('is on a server that counts in 32 bits, which is not enough. Use a 64-bit build of Redis')
      default:
        return this.#foreign()
    }
  }

  #foreign(cause?: unknown): NotExecutedError {
    return this.#failure('holds something that Holdfast has not written. Use another namespace or prefix', cause)
  }

  #failure(what: string, cause?: unknown): NotExecutedError {
    const message = `The key ${this.#layout.key} in Redis at ${this.#link.name} ${what}. Nothing was done.`
    return new NotExecutedError(message, cause === undefined ? {} : { cause })
  }
}

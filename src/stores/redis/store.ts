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
import { DEFAULT_PREFIX, type Layout, layoutOf } from './layout.ts'
import type { ChannelHandler, RedisLink } from './link.ts'
import { lockTable, TableRunner, type TableScript } from './script.ts'
import { encodeBatch, encodeSettings, isFrugal, makeEpoch } from './wire.ts'

/** What to do about a key that somebody else has written. */
const FOREIGN = "Remove what is not Holdfast's from there, or use another namespace or prefix"

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
  readonly takesTurns: boolean = true
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
    const answer = this.#read(reply, batch)
    // Not even what the server itself calls the namespace is the name that it knows: so it would be for ever.
    if (answer.outcomes === null && answer.epoch === batch.epoch) throw this.#refusal('garbled the epoch', batch)
    return answer
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
    // In a Cluster each key is named: else, while its slot moves from node to node, a batch would meet those keys that
    // have moved already and find nothing in the others. Elsewhere that costs time for nothing.
    const { key, keys } = this.#layout
    const argument = encodeBatch(batch, this.#settings, newEpoch)
    return this.#table.run(this.#link.sharded ? keys : [key], argument, isFrugal(batch))
  }

  #read(reply: string, { steps }: Batch): Answer {
    try {
      return decodeAnswer(reply, steps.length)
    } catch (cause) {
      // The batch was executed, and yet is not to be repeated: its answer would be the same, and nothing else would ever
      // be asked. What it has granted ends by itself.
      throw new NotExecutedError(
        `Redis at ${this.name} has answered with a row of the key ${this.#layout.key} that cannot be read: somebody else has written there. What was asked for may have been done.`,
        { cause },
      )
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
    const [word = '', detail = '', ...more] = said.split(' ')
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
      case 'garbled':
        return this.#failure(`has a row that cannot be read (${[detail, ...more].join(' ')}). ${FOREIGN}`)
      case 'torn':
        return this.#failure(
          `has lost all locks of this namespace, as their holders are told: a batch could not be done as a whole (${more.join(' ')}). ${FOREIGN}`,
          detail,
        )
      default:
        return this.#failure(`holds something that Holdfast has not written. ${FOREIGN}`, detail)
    }
  }

  #failure(what: string, key: string = this.#layout.key): NotExecutedError {
    return new NotExecutedError(`The key ${key} in Redis at ${this.#link.name} ${what}. Nothing was done.`)
  }
}

import { InvalidRequestError, StoreUnavailableError } from '../../core/errors.ts'
import {
  type Answer,
  type Batch,
  type Listener,
  type LockStore,
  NotExecutedError,
  type StoreLimits,
  type Subscription,
} from '../../core/store.ts'
import { readAnswer, readMessages } from './answers.ts'
import type { Value } from './clients/client.ts'
import { literal } from './clients/literal.ts'
import { type PostgresLink, ServerError } from './link.ts'
import { APPLY_TYPES, quoteName } from './schema.ts'
import { channelOf, writeBatch } from './wire.ts'

/** The states that the functions of the store raise; see `table/*.sql`. */
const INVALID = 'HF001'
const NOT_READ_COMMITTED = 'HF002'

/** The log's growth is announced for a minute, so this often is enough. */
const FOLLOW_MS = 20_000

export interface PostgresStoreSettings {
  readonly link: PostgresLink
  readonly schema: string
  readonly namespace: string
  readonly limits: StoreLimits
  /** `undefined`: as the server is set. */
  readonly synchronousCommit: string | undefined
}

/** One namespace in one schema: the lock table as functions of the database. */
export class PostgresStore implements LockStore {
  readonly name: string
  readonly #settings: PostgresStoreSettings
  readonly #followers = new Set<NodeJS.Timeout>()
  readonly #calls: Readonly<Record<'apply' | 'follow', string>>
  /** Transactions of this user are not READ COMMITTED unless they are told to be. */
  #isTold = false

  constructor(settings: PostgresStoreSettings) {
    this.name = settings.link.name
    this.#settings = settings
    this.#calls = {
      apply: callOf(settings.schema, 'apply', APPLY_TYPES.map(parameter)),
      follow: callOf(settings.schema, 'follow', ['text'].map(parameter)),
    }
  }

  async apply(batch: Batch): Promise<Answer> {
    const { namespace, limits, synchronousCommit = null } = this.#settings
    const text = await this.#call('apply', [namespace, ...writeBatch(batch, limits), synchronousCommit])
    try {
      return readAnswer(text, batch.steps.length)
    } catch (cause) {
      // The batch was executed, and yet is not to be repeated: its answer would be the same, and nothing else would ever
      // be asked. What it has granted ends by itself.
      throw new NotExecutedError(
        `${this.name} has answered with a row of the schema ${quoteName(this.#settings.schema)} that cannot be read: somebody else has written there. What was asked for may have been done.`,
        { cause },
      )
    }
  }

  async subscribe(session: string, listener: Listener): Promise<Subscription> {
    const { link, schema, namespace } = this.#settings
    return link.listen(channelOf(schema, namespace, session), {
      onText: (text) => {
        // What was too long for a notification, or cannot be read, comes with the answer to a heartbeat.
        const messages = readMessages(text)
        if (messages === undefined) listener.onInterruption()
        else listener.onMessages(messages)
      },
      onInterruption: () => listener.onInterruption(),
    })
  }

  async follow(onGrowth: () => void): Promise<Subscription> {
    const { link, schema, namespace } = this.#settings
    const handler = { onText: onGrowth, onInterruption: onGrowth }
    const subscription = await link.listen(channelOf(schema, namespace, ''), handler)
    try {
      await this.#call('follow', [namespace])
    } catch (error) {
      await subscription.close()
      throw error
    }
    const timer = setInterval(() => {
      // If it fails, growth is not announced until the next time: hence the look.
      this.#call('follow', [namespace]).catch(() => undefined)
      onGrowth()
    }, FOLLOW_MS)
    timer.unref()
    this.#followers.add(timer)
    return {
      close: async () => {
        this.#stop(timer)
        await subscription.close()
      },
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#followers) this.#stop(timer)
    await this.#settings.link.close()
  }

  #stop(timer: NodeJS.Timeout): void {
    clearInterval(timer)
    this.#followers.delete(timer)
  }

  /** Calls a function of the schema. */
  async #call(name: 'apply' | 'follow', values: readonly Value[]): Promise<string> {
    try {
      return await this.#run(name, values)
    } catch (error) {
      if (!(error instanceof ServerError)) throw error
      if (error.sqlState === INVALID) throw new InvalidRequestError(messageOf(error.cause), { cause: error })
      if (error.sqlState !== NOT_READ_COMMITTED || this.#isTold) throw error
      // Nothing was done. From now on each transaction is told, which takes a text of its own for each call.
      this.#isTold = true
      return this.#call(name, values)
    }
  }

  async #run(name: 'apply' | 'follow', values: readonly Value[]): Promise<string> {
    const { link, schema } = this.#settings
    const rows = this.#isTold
      ? await link.query(
          `SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ${callOf(schema, name, values.map(literal))}`,
          [],
        )
      : await link.query(this.#calls[name], values)
    const answer = rows[0]?.['answer']
    if (typeof answer !== 'string') throw new StoreUnavailableError(`${this.name} gave no answer that can be read.`)
    return answer
  }
}

function callOf(schema: string, name: string, values: readonly string[]): string {
  return `SELECT ${quoteName(schema)}.${name}(${values.join(', ')}) AS answer`
}

function parameter(type: string, index: number): string {
  return `$${index + 1}::${type}`
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

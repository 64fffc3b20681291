import { randomBytes } from 'node:crypto'
import {
  type Answer,
  type Batch,
  DEFAULT_LIMITS,
  type Listener,
  type LockStore,
  type StoreLimits,
  type Subscription,
} from '../../core/store.ts'
import type { TableStorage } from '../../core/table/storage.ts'
import { applyBatch } from '../../core/table/table.ts'
import { hashToken } from '../../core/table/token-hash.ts'
import { MemoryStorage } from './storage.ts'

/** Where a memory store takes its time from. */
export interface MemoryClock {
  /** Milliseconds that never go back; what leases are measured with. */
  readonly leaseMs: () => number
  /** Milliseconds since 1970. */
  readonly wallMs: () => number
}

export interface MemoryStoreOptions {
  /** Default: this process's own clocks. */
  readonly clock?: MemoryClock
  /** How much is remembered; see {@link StoreLimits} for the defaults. */
  readonly limits?: Partial<StoreLimits>
  /** Wraps the rows of each namespace, to count or to record the operations. Default: as they are. */
  readonly storage?: (storage: TableStorage) => TableStorage
}

const SYSTEM_CLOCK: MemoryClock = { leaseMs: () => performance.now(), wallMs: () => Date.now() }

/** One namespace in the memory of this process: the lock table over maps, and whoever listens to it. */
export class MemoryNamespace {
  readonly #storage: TableStorage
  readonly #clock: MemoryClock
  readonly #limits: StoreLimits
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #followers = new Set<() => void>()

  constructor(options: MemoryStoreOptions) {
    const storage = new MemoryStorage(randomBytes(16).toString('hex'))
    this.#storage = options.storage?.(storage) ?? storage
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
  }

  apply(batch: Batch): Answer {
    const { answer, posts, logged } = applyBatch(this.#storage, batch, {
      now: Math.floor(this.#clock.leaseMs()),
      wallNow: this.#clock.wallMs(),
      limits: this.#limits,
      hash: hashToken,
    })
    for (const [session, messages] of posts) {
      for (const listener of this.#listeners.get(session) ?? []) listener.onMessages(messages)
    }
    if (logged) for (const onGrowth of this.#followers) onGrowth()
    return answer
  }

  /** A user's view of the namespace, whose `close` ends what was subscribed through it and nothing else. */
  view(): LockStore {
    const open = new Set<Subscription>()
    const track = (end: () => void): Subscription => {
      const subscription = {
        close: async (): Promise<void> => {
          open.delete(subscription)
          end()
        },
      }
      open.add(subscription)
      return subscription
    }
    return {
      name: 'memory:',
      apply: async (batch) => this.apply(batch),
      subscribe: async (session, listener) => track(this.#listen(session, listener)),
      follow: async (onGrowth) => {
        this.#followers.add(onGrowth)
        return track(() => this.#followers.delete(onGrowth))
      },
      close: async () => {
        await Promise.all([...open].map((subscription) => subscription.close()))
      },
    }
  }

  #listen(session: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(session) ?? new Set()
    this.#listeners.set(session, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(session)
    }
  }
}

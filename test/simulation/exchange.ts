import type { Batch, Message } from '../../src/core/store.ts'
import type { Executed, StoreNode } from './store-node.ts'

/** Where messages for a session go. */
export interface Addressee {
  push(messages: readonly Message[]): void
  interrupt(): void
}

/** What is told of every execution, before anything of it is sent. */
export type OnExecuted = (batch: Batch, executed: Executed) => void

/** The store as the network sees it: who listens for which session, and who follows the log. */
export class Exchange {
  readonly #store: StoreNode
  readonly #onExecuted: OnExecuted
  readonly #addressees = new Map<string, Addressee>()
  readonly #followers = new Set<(growth: number) => void>()
  #growth = 0

  constructor(store: StoreNode, onExecuted: OnExecuted) {
    this.#store = store
    this.#onExecuted = onExecuted
  }

  get isUp(): boolean {
    return this.#store.isUp
  }

  /** Another one once the store has gone back: then all connections were to another server. */
  get life(): number {
    return this.#store.backSince
  }

  execute(batch: Batch): Executed {
    const executed = this.#store.execute(batch)
    this.#onExecuted(batch, executed)
    for (const [session, messages] of executed.posts) this.#addressees.get(session)?.push(messages)
    if (executed.logged) {
      this.#growth += 1
      for (const follower of this.#followers) follower(this.#growth)
    }
    return executed
  }

  listen(session: string, addressee: Addressee): () => void {
    this.#addressees.set(session, addressee)
    return () => {
      if (this.#addressees.get(session) === addressee) this.#addressees.delete(session)
    }
  }

  follow(onGrowth: (growth: number) => void): () => void {
    this.#followers.add(onGrowth)
    return () => void this.#followers.delete(onGrowth)
  }

  interruptAll(): void {
    for (const addressee of this.#addressees.values()) addressee.interrupt()
  }
}

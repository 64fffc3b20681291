import { isDeepStrictEqual } from 'node:util'
import { StoreUnavailableError } from '../../core/errors.ts'
import type { Answer, Batch, Listener, LockStore, Subscription } from '../../core/store.ts'

/** How many replicas must have what was granted, before anybody is told. */
export interface ReplicaWish {
  readonly count: number
  readonly timeoutMs: number
}

/** Resolves with how many replicas have all that the primary has. @throws StoreUnavailableError */
export type WaitForReplicas = (wish: ReplicaWish) => Promise<number>

/**
 * A store whose grants are believed only when replicas have them. A batch that grants is sent again after they have
 * confirmed: a primary that has taken over meanwhile and knows nothing of it gives another answer, which then has to be
 * confirmed in its turn.
 *
 * This narrows the window in which a fail-over forgets a grant and does not close it: a replica that has confirmed need
 * not be the one that takes over.
 */
export class ReplicatedStore implements LockStore {
  readonly #store: LockStore
  readonly #wish: ReplicaWish
  readonly #wait: WaitForReplicas

  constructor(store: LockStore, wish: ReplicaWish, wait: WaitForReplicas) {
    this.#store = store
    this.#wish = wish
    this.#wait = wait
  }

  get name(): string {
    return this.#store.name
  }

  async apply(batch: Batch): Promise<Answer> {
    let answer = await this.#store.apply(batch)
    while (grants(answer)) {
      await this.#confirm()
      const again = await this.#store.apply(batch)
      if (isDeepStrictEqual(again, answer)) break
      answer = again
    }
    return answer
  }

  /** A pushed grant may not have reached the replicas: it only makes the session ask. */
  subscribe(session: string, listener: Listener): Promise<Subscription> {
    const ask = (): void => listener.onInterruption()
    return this.#store.subscribe(session, { onMessages: ask, onInterruption: ask })
  }

  follow(onGrowth: () => void): Promise<Subscription> {
    return this.#store.follow(onGrowth)
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #confirm(): Promise<void> {
    const { count, timeoutMs } = this.#wish
    const confirmed = await this.#wait(this.#wish).catch((error: unknown) => {
      // The batch itself was executed, whatever is certain about the command that failed.
      const said = error instanceof Error ? error.message : String(error)
      throw new StoreUnavailableError(said, { cause: error })
    })
    if (confirmed >= count) return
    throw new StoreUnavailableError(
      `Only ${confirmed} of ${count} replicas of ${this.name} confirmed a grant within ${timeoutMs} ms. Check that they run and keep up.`,
    )
  }
}

/** Whether somebody would rely on what the answer says. */
function grants({ outcomes, messages }: Answer): boolean {
  return (
    messages.some(({ type }) => type === 'granted') ||
    (outcomes ?? []).some(({ type }) => type === 'granted' || type === 'entered' || type === 'extended')
  )
}

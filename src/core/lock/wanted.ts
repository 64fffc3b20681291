import type { Wanted } from './lock.ts'

type Handler = (wanted: Wanted) => unknown

/** Those who want to know that somebody waits for a lock. One that fails stops neither the others nor the lock. */
export class WantedHandlers {
  #handlers: readonly { readonly handler: Handler }[] = []
  #waiters = 0

  /** Whoever comes late is told at once. Each subscription ends by itself, also if one handler is given twice. */
  add(handler: Handler): () => void {
    const subscription = { handler }
    this.#handlers = [...this.#handlers, subscription]
    if (this.#waiters > 0) this.#tell(handler)
    return () => {
      this.#handlers = this.#handlers.filter((each) => each !== subscription)
    }
  }

  tell(waiters: number): void {
    this.#waiters = waiters
    for (const { handler } of this.#handlers) this.#tell(handler)
  }

  #tell(handler: Handler): void {
    try {
      Promise.resolve(handler({ waiters: this.#waiters })).catch(report)
    } catch (error) {
      report(error)
    }
  }
}

function report(error: unknown): void {
  process.emitWarning(`A handler of onWanted failed: ${String(error)}`, 'HoldfastWarning')
}

import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from './connection.ts'
import type { KeepTask } from './keeping.ts'
import { forget, isKept } from './kept-handles.ts'
import { isAlive, isRunning } from './process-identity.ts'

/** How often it is looked whether the process still runs, and whether the lock was released. */
const LOOK_MS = 500

/** The part of a lease after which it is renewed. */
const RENEW_AFTER = 1 / 3

/**
 * What the process of `acquire --for-pid` does: it renews the lock while another process lives, then releases it. It
 * ends by itself as soon as the lock was released or lost, and says nothing to anybody.
 */
export async function keepForProcess(): Promise<void> {
  const task = JSON.parse(await text(process.stdin)) as KeepTask
  const { store, namespace } = task
  const connection = await Connection.open({
    store: { value: store, source: 'task' },
    namespace: { value: namespace, source: 'task' },
  })
  try {
    await new Keeping(connection, task).run(() => process.stdout.end('ready\n'))
  } finally {
    await connection.leave()
  }
}

class Keeping {
  readonly #connection: Connection
  readonly #task: KeepTask
  #renewedAtMs = 0
  /** Ends with the lease that was last known to be there. */
  #isHeld = true

  constructor(connection: Connection, task: KeepTask) {
    this.#connection = connection
    this.#task = task
  }

  async run(onReady: () => void): Promise<void> {
    const { handle, target, ttlMs } = this.#task
    await this.#renew()
    if (this.#isHeld) onReady()
    while (this.#isHeld) {
      await pause(Math.min(LOOK_MS, (ttlMs * RENEW_AFTER) / 2))
      // Whoever released it has forgotten its handle.
      if (!isKept(handle)) return
      if (!isRunning(target.pid)) return this.#release()
      if (performance.now() - this.#renewedAtMs < ttlMs * RENEW_AFTER) continue
      // Asked less often: on some systems it takes a process to answer.
      if (!isAlive(target)) return this.#release()
      await this.#renew()
    }
    forget(handle)
  }

  async #renew(): Promise<void> {
    const { id, token, ttlMs } = this.#task
    const sentMs = performance.now()
    try {
      const { outcome } = await this.#connection.run({ type: 'extend', id, token, fence: null, ttlMs, automatic: true })
      if (outcome.type === 'gone') this.#isHeld = false
      else this.#renewedAtMs = sentMs
    } catch {
      // The next one may succeed. When the lease must have ended there is nothing left to renew.
      if (this.#renewedAtMs === 0 || performance.now() - this.#renewedAtMs > ttlMs) this.#isHeld = false
    }
  }

  async #release(): Promise<void> {
    const { id, token, handle } = this.#task
    forget(handle)
    // If it does not arrive the lease ends by itself.
    await this.#connection.run({ type: 'release', id, token, expired: false }).catch(() => {})
  }
}

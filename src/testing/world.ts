import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LockStore, StoreLimits } from '../core/store.ts'
import { Actor } from './actor.ts'
import type { MakeHarness, StoreHarness } from './harness.ts'
import { expect, vi } from './test-tools.ts'

/** Secrets that a case looks for in what the store said, at most. */
const SOUGHT_SECRETS = 40

/** The only statement of how long a test waits for what a store does by itself, in milliseconds. */
const PATIENCE_MS = 10_000

/**
 * One namespace and those who use it. A session is silent unless the case lets it speak; so that a slow machine does
 * not kill it, it counts as dead only after an hour unless the case says otherwise.
 */
export class World {
  /** The first connection to the namespace. */
  readonly store: LockStore
  readonly #harness: StoreHarness
  readonly #stores: LockStore[]
  readonly #outputs: string[] = []
  readonly #secrets = new Set<string>()

  private constructor(harness: StoreHarness, store: LockStore) {
    this.#harness = harness
    this.store = store
    this.#stores = [store]
  }

  static async open(makeHarness: MakeHarness, limits: Partial<StoreLimits> = {}): Promise<World> {
    const harness = await makeHarness({ limits })
    return new World(harness, await harness.connect())
  }

  /** Another connection to the same namespace. */
  async connect(): Promise<LockStore> {
    const store = await this.#harness.connect()
    this.#stores.push(store)
    return store
  }

  /** A new session, whose agent has this name. */
  session(name: string, options: { readonly deadMs?: number; readonly store?: LockStore } = {}): Actor {
    return new Actor({
      name,
      store: options.store ?? this.store,
      deadMs: options.deadMs ?? 3_600_000,
      tell: (output, secrets) => {
        this.#outputs.push(JSON.stringify(output))
        for (const secret of secrets) if (secret !== '') this.#secrets.add(secret)
      },
    })
  }

  /** Several new sessions. */
  sessions<Names extends readonly string[]>(...names: Names): { readonly [K in keyof Names]: Actor } {
    return names.map((name) => this.session(name)) as unknown as { readonly [K in keyof Names]: Actor }
  }

  /** Lets time pass on the store's clocks. */
  async advance(ms: number): Promise<void> {
    if (this.#harness.advance !== undefined) await this.#harness.advance(ms)
    else await sleep(ms + 2)
  }

  /** Waits for what the store does by itself, such as a push. */
  async eventually<T>(look: () => T): Promise<T> {
    return vi.waitFor(look, { timeout: PATIENCE_MS, interval: 2 })
  }

  /** Closes everything, and expects that no secret, nor what is kept of it, was ever told to anybody. */
  async close(): Promise<void> {
    for (const store of this.#stores) await store.close()
    await this.#harness.dispose?.()
    const told = this.#outputs.join('\n')
    for (const secret of [...this.#secrets].slice(0, SOUGHT_SECRETS)) {
      for (const trace of tracesOf(secret)) expect(told.includes(trace), `a secret was told: ${trace}`).toBe(false)
    }
  }
}

function tracesOf(secret: string): string[] {
  const hash = createHash('sha256').update(secret).digest()
  return [secret, hash.toString('hex'), hash.toString('base64url'), hash.toString('base64')]
}

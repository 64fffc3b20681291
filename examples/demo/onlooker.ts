import { setTimeout as sleep } from 'node:timers/promises'
import { EventBus, type LockEvent, type LockInfo, ResourceLockManager, sqliteStore } from 'holdfast'
import { type Figures, Ledger } from './ledger.ts'

const AGENT_ID = 'demo'
const PATIENCE_MS = 5_000

/** Watches the agents' locks from outside, as any other process may: it only needs to open the same store. */
export class Onlooker implements AsyncDisposable {
  readonly #locks: ResourceLockManager
  readonly #ownEvents: EventBus
  readonly #onExpired: (event: LockEvent) => void
  readonly #ledger = new Ledger()
  #watching: Promise<void> = Promise.resolve()
  #readTo: string | undefined

  /** @param onExpired told of each lease that has run out */
  static async open(database: string, onExpired: (event: LockEvent) => void): Promise<Onlooker> {
    const onlooker = new Onlooker(database, onExpired)
    const beginning = await onlooker.#sign()
    onlooker.#watching = onlooker.#watch(beginning)
    // Should it fail, whoever closes the onlooker is told; until then it is no unhandled rejection.
    onlooker.#watching.catch(() => {})
    return onlooker
  }

  private constructor(database: string, onExpired: (event: LockEvent) => void) {
    this.#ownEvents = new EventBus()
    this.#locks = new ResourceLockManager({
      store: sqliteStore(database),
      eventBus: this.#ownEvents,
      metrics: false,
    })
    this.#onExpired = onExpired
  }

  /** Who stands in line for a resource, the next one first. */
  lineFor(resourceId: string): readonly string[] {
    return this.#ledger.lineFor(resourceId)
  }

  get figures(): Figures {
    return this.#ledger.figures
  }

  get waiters(): number {
    return this.#ledger.waiters
  }

  /** The files that are locked at this moment, by their ids. */
  async look(): Promise<ReadonlyMap<string, LockInfo>> {
    const held = new Map<string, LockInfo>()
    for await (const info of this.#locks.listLocks({ resourceType: 'file' })) held.set(info.resourceId, info)
    return held
  }

  /** The figures once every event so far has been read. */
  async finish(): Promise<Figures> {
    const end = await this.#sign()
    for (let waited = 0; this.#readTo !== end && waited < PATIENCE_MS; waited += 10) await sleep(10)
    return this.#readTo === end ? this.figures : { ...this.figures, isIncomplete: true }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#locks.close()
    await this.#watching
  }

  /** Leaves an event of its own in the log: where it stands is a place to begin reading, or to end. */
  async #sign(): Promise<string | undefined> {
    let cursor: string | undefined
    const stop = this.#ownEvents.subscribe('resource.unlocked', (event) => {
      cursor = event.cursor
    })
    const lock = await this.#locks.acquire('demo:onlooker', { agentId: AGENT_ID })
    await lock.release()
    stop()
    return cursor
  }

  async #watch(since: string | undefined): Promise<void> {
    for await (const event of this.#locks.watch(since === undefined ? {} : { since })) {
      if (event.type !== 'gap' && event.agentId === AGENT_ID) this.#readTo = event.cursor
      else this.#ledger.take(event)
      if (event.type === 'resource.expired') this.#onExpired(event)
    }
  }
}

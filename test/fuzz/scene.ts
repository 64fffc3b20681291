import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isResourceLockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { StoreDriver } from '../../src/core/store.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { until } from '../support/polling.ts'

/** Longer than anybody's patience with a store: whoever has not been answered by then hangs. */
const HANG_MS = 30_000
const LONG = '1h'

/** Which of the leases is in the way of what a newcomer takes. */
const RIVALS: Readonly<Record<string, number>> = { 'r:held': 0, 'r:tree/leaf': 1, 'r:leaf': 2, 'r:shared': 3 }

/** What came of asking a damaged namespace for everything. */
export interface Outcome {
  /** What must never happen, in words. */
  readonly problems: readonly string[]
  /** What was refused, as each error says it. */
  readonly refusals: readonly string[]
  /** Grants that stand in each other's way, while both holders believed in theirs. */
  readonly doubles: number
}

/** A namespace with leases, a line, events and earlier holders in it, and those who hold and wait. */
export class Scene {
  readonly namespace: string
  readonly #store: () => StoreDriver
  readonly #managers: ResourceLockManager[] = []
  readonly #held: Lock[] = []
  readonly #problems: string[] = []
  readonly #refusals: string[] = []
  #doubles = 0
  #wait: Promise<Lock> | undefined

  private constructor(store: () => StoreDriver, namespace: string) {
    this.#store = store
    this.namespace = namespace
  }

  /** @param store a store of each manager's own */
  static async set(store: () => StoreDriver, namespace: string = randomUUID()): Promise<Scene> {
    const scene = new Scene(store, namespace)
    try {
      await scene.#occupy()
      return scene
    } catch (error) {
      await scene.end()
      throw error
    }
  }

  async #occupy(): Promise<void> {
    const [holder, waiter] = [this.#manager(), this.#manager()]
    const agent = { agentId: 'holder', timeout: LONG, reason: 'why', metadata: { why: ['x'] } } as const
    for (const resource of ['r:held', 'r:tree/**', 'r:leaf/a']) this.#held.push(await holder.acquire(resource, agent))
    this.#held.push(await holder.acquire('r:shared', { ...agent, mode: 'shared' }))
    await (await holder.acquire('r:ended', agent)).release()
    this.#wait = waiter.acquire('r:held', { agentId: 'waiter', timeout: LONG, waitTimeout: 'forever' })
    this.#wait.catch(() => undefined)
    await until('somebody waits', async () => (await holder.getLockInfo('r:held'))?.waiters === 1)
  }

  /** Asks for everything that there is, as a newcomer and as those who were there before. */
  async play(): Promise<void> {
    const newcomer = this.#manager()
    await this.#look(newcomer)
    await this.#take(newcomer, ['r:held'])
    await this.#take(newcomer, ['r:tree/leaf'])
    await this.#take(newcomer, ['r:leaf/**'])
    await this.#take(newcomer, ['r:new', 'r:shared'])
    await this.#take(newcomer, ['r:new'])
    for (const lock of this.#held) await this.#try(() => lock.extend(LONG))
    const force = { adminAgentId: 'newcomer', reason: 'damage' }
    await this.#try(() => newcomer.forceUnlock('r:shared', force))
  }

  /** Everybody ends what they have. Gives what came of it all. */
  async end(): Promise<Outcome> {
    for (const lock of this.#held) if (lock.isHeld) await this.#try(() => lock.release())
    for (const manager of this.#managers) await this.#inTime(manager.close())
    await this.#try(async () => this.#wait)
    return { problems: this.#problems, refusals: this.#refusals, doubles: this.#doubles }
  }

  /** Whoever waited is served once the holder lets go. @throws if not */
  async serve(): Promise<void> {
    for (const lock of this.#held) if (lock.isHeld) await lock.release()
    const next = await this.#inTime(this.#wait ?? Promise.reject(new Error('nobody waits')))
    next?.assertHeld()
  }

  /** Once everybody has ended, nothing is left in anybody's way. */
  async expectFree(): Promise<void> {
    await using locks = this.#manager()
    const lock = await locks.acquire('r:**', { agentId: 'last', waitTimeout: '30s' })
    await lock.release()
  }

  #manager(): ResourceLockManager {
    const options = { store: this.#store(), namespace: this.namespace, heartbeat: '500ms', metrics: false } as const
    const manager = new ResourceLockManager(options)
    this.#managers.push(manager)
    return manager
  }

  async #look(locks: ResourceLockManager): Promise<void> {
    for (const resource of ['r:held', 'r:ended', 'r:tree/leaf', 'r:shared']) {
      await this.#try(() => locks.getLockInfo(resource))
    }
    await this.#try(async () => {
      for await (const { resourceId } of locks.listLocks()) if (resourceId === '') break
    })
    const watching = new AbortController()
    const events = locks.watch({ since: `${'0'.repeat(32)}.0`, signal: watching.signal })
    await this.#try(() => events.next())
    // An emptied log has nothing to tell.
    await this.#try(() => Promise.race([events.next(), sleep(50)]))
    watching.abort()
    await this.#try(() => events.return())
  }

  /** Takes something for a moment: at once, then with a little patience, so that it also stands in line and leaves it. */
  async #take(locks: ResourceLockManager, resources: readonly string[]): Promise<void> {
    for (const waitTimeout of [0, '20ms'] as const) {
      await this.#try(async () => {
        const lock = await locks.acquire(resources, { agentId: 'newcomer', waitTimeout })
        this.#judge(lock)
        await lock.extend('1m')
        await lock.release()
      })
    }
  }

  /** A grant in somebody's way must at least have the greater token, so that guards refuse whoever came before. */
  #judge(lock: Lock): void {
    for (const other of this.#held) {
      if (other.isHeld && lock.fencingToken <= other.fencingToken) {
        this.#problems.push(`Token ${lock.fencingToken} was given after ${other.fencingToken}.`)
      }
    }
    for (const { resourceId } of lock.resources) {
      if (this.#held[RIVALS[resourceId] ?? -1]?.isHeld === true) this.#doubles += 1
    }
  }

  async #try(attempt: () => Promise<unknown>): Promise<void> {
    try {
      await this.#inTime(attempt())
    } catch (error) {
      if (isResourceLockError(error)) this.#refusals.push(`${error.code} ${error.message}`)
      else this.#problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController()
    const hang = sleep(HANG_MS, undefined, { signal: over.signal }).then(
      () => Promise.reject(new Error('Nothing came back.')),
      () => new Promise<never>(() => {}),
    )
    try {
      return await Promise.race([work, hang])
    } finally {
      over.abort()
    }
  }
}

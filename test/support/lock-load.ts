import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { GuardedRegister } from './guarded-register.ts'
import { until } from './polling.ts'

const RESOURCES = ['load:a', 'load:b'] as const
const DEADLINE_MS = 20_000

/** What a load came to. */
export interface LoadReport {
  /** Writes that were lost, and errors other than those that a fault may cause. */
  readonly problems: readonly string[]
  /** How often a worker was told that it had lost its lock. */
  readonly losses: number
  /** How often a worker was told that the store cannot be reached. */
  readonly outages: number
}

/** Workers that take turns on a few locks, and count in what each lock guards. */
export class LockLoad {
  readonly #stopping = new AbortController()
  readonly #registers: readonly GuardedRegister[]
  readonly #turns: number[] = []
  readonly #unexpected: string[] = []
  #losses = 0
  #outages = 0
  #running: Promise<unknown> = Promise.resolve()

  readonly #losesData: boolean

  private constructor(registers: readonly GuardedRegister[], losesData: boolean) {
    this.#registers = registers
    this.#losesData = losesData
  }

  /**
   * Starts two workers for each manager.
   *
   * @param registerPort where the server of the guarded numbers is
   * @param losesData whether the store forgets what it has granted: only then may a holder be refused that has not
   *   been told of its loss yet
   */
  static async start(
    managers: readonly ResourceLockManager[],
    registerPort: number,
    losesData: boolean = false,
  ): Promise<LockLoad> {
    const key = randomUUID()
    const registers = RESOURCES.map((resource) => GuardedRegister.open(registerPort, `${key}:${resource}`))
    const load = new LockLoad(await Promise.all(registers), losesData)
    const workers = [...managers, ...managers].map((locks, index) => load.#work(locks, index))
    load.#running = Promise.all(workers)
    // Also that of a test that fails before it can stop it.
    onTestFinished(() => load.#stopping.abort())
    return load
  }

  /** Resolves once every worker has had so many more turns. */
  async turns(count: number): Promise<void> {
    const goals = this.#turns.map((turns) => turns + count)
    await until(
      `every worker has ${count} more turns`,
      () => goals.every((goal, index) => (this.#turns[index] ?? 0) >= goal) || this.#unexpected.length > 0,
      DEADLINE_MS,
    )
  }

  async stop(): Promise<LoadReport> {
    this.#stopping.abort()
    await this.#running
    const lost = await Promise.all(this.#registers.map((register) => lostWrites(register)))
    for (const register of this.#registers) register.close()
    return { problems: [...lost.flat(), ...this.#unexpected], losses: this.#losses, outages: this.#outages }
  }

  async #work(locks: ResourceLockManager, index: number): Promise<void> {
    this.#turns[index] = 0
    const { signal } = this.#stopping
    for (let turn = index; !signal.aborted && this.#unexpected.length === 0; turn += 1) {
      try {
        await this.#takeTurn(locks, index, turn % RESOURCES.length)
      } catch (error) {
        if (signal.aborted) return
        await this.#onError(error)
      }
    }
  }

  async #takeTurn(locks: ResourceLockManager, index: number, at: number): Promise<void> {
    const { signal } = this.#stopping
    const options = { agentId: `worker-${index}`, timeout: '1s', waitTimeout: 'forever', signal } as const
    await using lock = await locks.acquire(RESOURCES[at] ?? '', options)
    const isWritten = (await this.#registers[at]?.addOne(lock.fencingToken)) ?? false
    if (!isWritten && this.#losesData) await until('the loser is told', () => !lock.isHeld, DEADLINE_MS)
    lock.assertHeld()
    if (isWritten) this.#turns[index] = (this.#turns[index] ?? 0) + 1
    else this.#unexpected.push(`The holder of ${lock.fencingToken} was refused.`)
  }

  async #onError(error: unknown): Promise<void> {
    if (isResourceLockError(error, 'LOST')) this.#losses += 1
    else if (isResourceLockError(error, 'UNAVAILABLE')) {
      this.#outages += 1
      await sleep(20)
    } else this.#unexpected.push(String(error))
  }
}

/** Every write that was accepted has counted: otherwise one of them knew nothing of another. */
async function lostWrites(register: GuardedRegister): Promise<string[]> {
  const [value, accepted] = await Promise.all([register.read(), register.accepted()])
  return accepted.length === value ? [] : [`${accepted.length} writes were accepted, and came to ${value}.`]
}

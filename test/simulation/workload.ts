import { isResourceLockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { AcquireOptions } from '../../src/core/lock/request.ts'
import type { Beliefs } from './beliefs.ts'
import type { Client } from './client.ts'
import type { Intervention, Operation } from './plan.ts'
import type { Trace } from './trace.ts'
import type { Verdict } from './verdict.ts'

/** What an `abort` of the workload gives as its reason. */
const ENOUGH = 'enough'

const EXPECTED = ['BUSY', 'WAIT_TIMEOUT', 'LOST', 'UNAVAILABLE', 'NOT_HELD', 'DEADLOCK', 'CLOSED']

/** A call that has been made. */
export interface Call {
  readonly operation: Operation
  readonly client: Client
  state: 'asks' | 'holds' | 'over'
}

/** How calls ended, for each client. */
export interface Tally {
  acquired: number
  timedOut: number
  busy: number
}

/** Makes the planned calls, and remembers how far each has come. */
export class Workload {
  readonly calls: Map<string, Call> = new Map()
  readonly tallies: Map<Client, Tally> = new Map()
  acquired = 0
  readonly ends: Map<string, number> = new Map()
  readonly #beliefs: Beliefs
  readonly #trace: Trace
  readonly #verdict: Verdict

  constructor(beliefs: Beliefs, trace: Trace, verdict: Verdict) {
    this.#beliefs = beliefs
    this.#trace = trace
    this.#verdict = verdict
  }

  /** Calls that a running client still makes. */
  get open(): Call[] {
    return [...this.calls.values()].filter(({ state, client }) => state !== 'over' && client.process.isAlive)
  }

  start(client: Client, operation: Operation): void {
    this.#perform(client, operation).catch((error: unknown) => {
      this.#verdict.fail('crash', `${operation.name}: ${String(error)}`)
    })
  }

  async intervene(client: Client, { what, resourceId }: Intervention): Promise<void> {
    try {
      if (what === 'force') {
        const ended = await client.locks.forceUnlock(resourceId, { adminAgentId: 'admin', reason: 'simulated' })
        this.#note(client, `forced ${ended.map(({ fencingToken }) => fencingToken).join()}`)
      } else if (what === 'owner') this.#note(client, `owner ${await client.locks.getOwner(resourceId)}`)
      else for await (const info of client.locks.listLocks()) this.#note(client, `listed ${info.fencingToken}`)
    } catch (error) {
      this.#expect(error, what)
    }
  }

  async #perform(client: Client, operation: Operation): Promise<void> {
    const call: Call = { operation, client, state: 'asks' }
    this.calls.set(operation.name, call)
    const controller = new AbortController()
    const { abortAfterMs } = operation
    const timer = abortAfterMs === null ? undefined : client.process.after(abortAfterMs, () => controller.abort(ENOUGH))
    try {
      if (operation.how === 'with') {
        await this.#target(client, operation).withLock(async (lock) => {
          this.#onAcquired(call, lock)
          await this.#whileHeld(call, lock)
        }, controller.signal)
      } else {
        const lock = await this.#target(client, operation).acquire(controller.signal)
        this.#onAcquired(call, lock)
        await this.#whileHeld(call, lock)
        if (!operation.forgets) this.#note(client, `${operation.name} released ${await lock.release()}`)
      }
      this.#end(call, 'done')
    } catch (error) {
      this.#end(call, isResourceLockError(error) ? error.code : String(error))
      this.#expect(error, operation.name)
    } finally {
      timer?.cancel()
      call.state = 'over'
    }
  }

  #onAcquired(call: Call, lock: Lock): void {
    call.state = 'holds'
    this.acquired += 1
    this.#tally(call.client).acquired += 1
    this.#note(call.client, `${call.operation.name} holds ${lock.fencingToken}`)
    this.#beliefs.add(call.client, lock)
  }

  async #whileHeld({ client, operation }: Call, lock: Lock): Promise<void> {
    await client.process.sleep(operation.holdMs / 2)
    if (operation.extendMs !== null) {
      await lock.extend(`${operation.extendMs}ms`).catch((error: unknown) => this.#expect(error, operation.name))
    }
    for (const nested of operation.nested) await this.#perform(client, nested)
    await client.process.sleep(operation.holdMs / 2)
  }

  #target(
    client: Client,
    operation: Operation,
  ): {
    acquire(signal: AbortSignal): Promise<Lock>
    withLock(fn: (lock: Lock) => Promise<void>, signal: AbortSignal): Promise<void>
  } {
    const { agent, resources } = operation
    const options = (signal: AbortSignal): AcquireOptions => ({ ...optionsOf(operation), agentId: client.name, signal })
    if (agent === null) {
      return {
        acquire: (signal) => client.locks.acquire(resources, options(signal)),
        withLock: (fn, signal) => client.locks.withLock(resources, options(signal), fn),
      }
    }
    const own = client.agent(agent)
    return {
      acquire: (signal) => own.acquire(resources, { ...optionsOf(operation), signal }),
      withLock: (fn, signal) => own.withLock(resources, { ...optionsOf(operation), signal }, fn),
    }
  }

  #end(call: Call, how: string): void {
    this.#note(call.client, `${call.operation.name} ended: ${how}`)
    this.ends.set(how, (this.ends.get(how) ?? 0) + 1)
    const tally = this.#tally(call.client)
    if (call.state !== 'asks') return
    if (how === 'WAIT_TIMEOUT') tally.timedOut += 1
    if (how === 'BUSY') tally.busy += 1
  }

  #tally(client: Client): Tally {
    const known = this.tallies.get(client) ?? { acquired: 0, timedOut: 0, busy: 0 }
    this.tallies.set(client, known)
    return known
  }

  #expect(error: unknown, what: string): void {
    if (error === ENOUGH) return
    if (isResourceLockError(error) && EXPECTED.includes(error.code)) return
    const detail = isResourceLockError(error) ? `${error.code} ${error.message}` : String(error)
    this.#verdict.fail('code', `${what}: ${detail}`)
  }

  #note(client: Client, text: string): void {
    this.#trace.note(`${client.name} ${text}`)
  }
}

function optionsOf(operation: Operation): Omit<AcquireOptions, 'agentId'> {
  const { autoExtend, waitMs } = operation
  return {
    timeout: `${operation.timeoutMs}ms`,
    waitTimeout: waitMs === null ? 'forever' : waitMs === 0 ? 0 : `${waitMs}ms`,
    autoExtend: typeof autoExtend === 'object' ? { maxHold: `${autoExtend.maxHoldMs}ms` } : autoExtend,
    reentrant: operation.reentrant,
    reason: operation.name,
  }
}

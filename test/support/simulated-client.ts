import type { Registry } from 'prom-client'
import { Inspection } from '../../src/core/inspection/inspection.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import { Locking, type Resources } from '../../src/core/lock/locking.ts'
import type { AcquireOptions } from '../../src/core/lock/request.ts'
import type { LockEvent } from '../../src/core/model.ts'
import { EventBus } from '../../src/core/reporting/eventbus.ts'
import { createMetrics, noMetrics } from '../../src/core/reporting/metrics.ts'
import { Observer } from '../../src/core/reporting/observer.ts'
import { parseResource } from '../../src/core/resource/resource.ts'
import { newActivity } from '../../src/core/session/activity.ts'
import { Session } from '../../src/core/session/session.ts'
import type { InspectOutcome, LockStore, StoreDriver, StoreLimits } from '../../src/core/store.ts'
import type { TableStorage } from '../../src/core/table/storage.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { MemoryStorage } from '../../src/stores/memory/storage.ts'
import { Faults, withFaults } from './faulty-store.ts'
import { SimulatedClock } from './simulated-clock.ts'

export interface ClientOptions {
  readonly heartbeatMs?: number
  readonly faults?: Faults
  /** Default: no metrics. */
  readonly registry?: Registry
  /** Default: the world's own, which the store uses too. */
  readonly clock?: SimulatedClock
}

/** A session on a simulated clock and a real memory store, with what a manager puts on top of it. */
export interface Client {
  readonly session: Session
  readonly faults: Faults
  readonly locking: Locking
  readonly inspection: Inspection
  readonly events: LockEvent[]
  acquire(resources: Resources, options?: Partial<AcquireOptions>): Promise<Lock>
  /** Calls of one sequential activity. */
  sequential(): (resources: Resources, options?: Partial<AcquireOptions>) => Promise<Lock>
}

export class World {
  readonly clock = new SimulatedClock()
  readonly #driver: StoreDriver
  #store: LockStore | undefined
  #epochs = 0
  #storage: ReplaceableStorage | undefined

  constructor(limits: Partial<StoreLimits> = {}) {
    this.#driver = memoryStore({
      // The store's wall clock is its own: the client's may jump.
      clock: { leaseMs: () => this.clock.monotonicMs(), wallMs: () => this.clock.monotonicMs() + 1_700_000_000_000 },
      limits,
      storage: (storage) => {
        this.#storage = new ReplaceableStorage(storage)
        return this.#storage
      },
    })
  }

  async client(options: ClientOptions = {}): Promise<Client> {
    const { heartbeatMs = 2_000, faults = new Faults(), registry, clock = this.clock } = options
    const events: LockEvent[] = []
    const bus = new EventBus()
    bus.subscribe('*', (event) => void events.push(event))
    const metrics = registry === undefined ? noMetrics : await createMetrics({ registry })
    const store = withFaults(await this.#driver.open('default'), faults)
    const session = new Session(store, clock, new Observer(metrics, bus), heartbeatMs)
    const locking = new Locking(() => session)
    const acquireAs = (activity: ReturnType<typeof newActivity> | undefined) => {
      return (resources: Resources, given: Partial<AcquireOptions> = {}): Promise<Lock> =>
        locking.acquire(resources, { agentId: 'agent', ...given }, activity)
    }
    return {
      session,
      faults,
      locking,
      inspection: new Inspection(() => session, new AbortController().signal),
      events,
      acquire: acquireAs(undefined),
      sequential: () => acquireAs(newActivity()),
    }
  }

  /** What the store itself knows of a resource. */
  async inspect(resource: string): Promise<InspectOutcome> {
    this.#store ??= await this.#driver.open('default')
    const answer = await this.#store.apply({
      session: 'inspector',
      number: 1,
      epoch: null,
      acked: 0,
      received: [],
      deadMs: 6_000,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps: [{ type: 'inspect', ...parseResource(resource), leases: 100, waiters: 100 }],
    })
    return answer.outcomes?.[0] as InspectOutcome
  }

  /** The agents that hold a resource, and those that wait for it. */
  async state(resource: string): Promise<{ held: string[]; waiting: string[] }> {
    const { leases, waiting } = await this.inspect(resource)
    return { held: leases.map((lease) => lease.agentId), waiting: waiting.map((waiter) => waiter.agentId) }
  }

  /** The store loses all that it knew. */
  loseData(): void {
    this.#epochs += 1
    this.#storage?.replace(new MemoryStorage(String(this.#epochs).padStart(32, '0')))
  }
}

/** Rows that can be exchanged for none, as a server does that lost its memory. */
class ReplaceableStorage implements TableStorage {
  #inner: TableStorage

  constructor(inner: TableStorage) {
    this.#inner = inner
  }

  replace(inner: TableStorage): void {
    this.#inner = inner
  }

  get requests(): TableStorage['requests'] {
    return this.#inner.requests
  }

  get claims(): TableStorage['claims'] {
    return this.#inner.claims
  }

  get sessions(): TableStorage['sessions'] {
    return this.#inner.sessions
  }

  get outbox(): TableStorage['outbox'] {
    return this.#inner.outbox
  }

  get unsettled(): TableStorage['unsettled'] {
    return this.#inner.unsettled
  }

  get previous(): TableStorage['previous'] {
    return this.#inner.previous
  }

  get events(): TableStorage['events'] {
    return this.#inner.events
  }

  readMeta(): ReturnType<TableStorage['readMeta']> {
    return this.#inner.readMeta()
  }

  writeMeta(meta: Parameters<TableStorage['writeMeta']>[0]): void {
    this.#inner.writeMeta(meta)
  }
}

/** Whether a promise is still open, and what it came to. */
export function follow<T>(promise: Promise<T>): {
  state: 'open' | 'resolved' | 'rejected'
  value?: T
  error?: unknown
} {
  const followed: { state: 'open' | 'resolved' | 'rejected'; value?: T; error?: unknown } = { state: 'open' }
  promise.then(
    (value) => Object.assign(followed, { state: 'resolved', value }),
    (error: unknown) => Object.assign(followed, { state: 'rejected', error }),
  )
  return followed
}

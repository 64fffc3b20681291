import { Inspection } from '../core/inspection/inspection.ts'
import { refOf } from '../core/lock/lease.ts'
import type { Lock } from '../core/lock/lock.ts'
import { Locking, type Resources } from '../core/lock/locking.ts'
import type { AcquireOptions } from '../core/lock/request.ts'
import { checkNamespace } from '../core/namespace.ts'
import { getEventBus } from '../core/reporting/eventbus.ts'
import { noMetrics } from '../core/reporting/metrics.ts'
import { Observer } from '../core/reporting/observer.ts'
import type { Activity } from '../core/session/activity.ts'
import type { Reply } from '../core/session/pipeline.ts'
import { Session } from '../core/session/session.ts'
import type { LockStore, OutcomeOf, RequestRef, Step } from '../core/store.ts'
import { systemClock } from '../core/time/clock.ts'
import { openDriver } from '../open.ts'
import type { Settings } from './settings.ts'

const HEARTBEAT_MS = 2_000

/** A lock, and the proof that one owns it. */
export interface Acquired {
  readonly lock: Lock
  readonly ref: RequestRef
}

/**
 * One command's connection to the store. Unlike a manager it can go away and leave its leases behind: a command of
 * the CLI ends, and what it acquired is for the next one.
 */
export class Connection {
  /** Leads to the store from any folder. It may hold a password. */
  readonly url: string
  /** What a person would recognise the store by. */
  readonly name: string
  readonly inspection: Inspection
  readonly #store: LockStore
  readonly #session: Session
  readonly #closing = new AbortController()
  /** The store has rows of this session. */
  #isKnown = false

  private constructor(store: LockStore, url: string) {
    this.url = url
    this.name = store.name
    this.#store = store
    this.#session = new Session(store, systemClock, new Observer(noMetrics, getEventBus()), HEARTBEAT_MS)
    this.inspection = new Inspection(() => this.#session, this.#closing.signal)
  }

  /** @throws StoreUnavailableError; InvalidRequestError for a store or a namespace that cannot be; the signal's reason */
  static async open(settings: Pick<Settings, 'store' | 'namespace'>, signal?: AbortSignal): Promise<Connection> {
    const { store, namespace } = settings
    const driver = await openDriver(store.value)
    return new Connection(await driver.open(checkNamespace(namespace.value), signal), driver.url ?? store.value)
  }

  /** Asks or does one thing. */
  run<S extends Step>(step: S): Promise<Reply<OutcomeOf[S['type']]>> {
    this.#isKnown ||= step.type !== 'inspect' && step.type !== 'list' && step.type !== 'readEvents'
    return this.#session.pipeline.run(step)
  }

  /** @param activity what this belongs to; without one no deadlock is looked for, because nothing is certain */
  async acquire(resources: Resources, options: AcquireOptions, activity: Activity | undefined): Promise<Acquired> {
    this.#isKnown = true
    const lock = await new Locking(() => this.#session).acquire(resources, options, activity)
    return { lock, ref: refOf(lock) }
  }

  /** Ends the connection; places in line go, leases stay. Never rejects: nothing can be done about it any more. */
  async leave(): Promise<void> {
    this.#closing.abort()
    if (this.#isKnown) await this.#session.pipeline.run({ type: 'goodbye' }).catch(() => {})
    await this.#session.pipeline.stop()
    await this.#store.close().catch(() => {})
  }
}

/** Runs `work` with a connection, and ends it however the work ends. */
export async function connected<T>(
  settings: Pick<Settings, 'store' | 'namespace'>,
  work: (connection: Connection) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const connection = await Connection.open(settings, signal)
  try {
    return await work(connection)
  } finally {
    await connection.leave()
  }
}

import { lostMessage } from '../error-messages.ts'
import { InvalidRequestError, isResourceLockError, LockLostError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import type { ResourceInput } from '../resource/resource.ts'
import { type Activity, within } from '../session/activity.ts'
import type { Session } from '../session/session.ts'
import { show } from '../show.ts'
import { systemClock } from '../time/clock.ts'
import { patiently } from '../time/patience.ts'
import { Acquisition } from './acquisition.ts'
import { type Lease, refOf } from './lease.ts'
import type { Lock } from './lock.ts'
import { ACQUIRE_OPTIONS, type AcquireOptions, LEAST_OPTIONS, type LockRequest, parseRequest } from './request.ts'

/** One resource, or several that are locked all together or not at all. */
export type Resources = ResourceInput | readonly ResourceInput[]

/** What a callback under a lock gets and gives. */
export type LockedCallback<T> = (lock: Lock) => T | PromiseLike<T>

/** {@link AcquireOptions} of a call that never waits. */
export type TryAcquireOptions = Omit<AcquireOptions, 'waitTimeout'>

const TRY_OPTIONS = ACQUIRE_OPTIONS.filter((name) => name !== 'waitTimeout')

/** The three ways to a lock, for whichever activity asks. */
export class Locking {
  readonly #connect: () => Session | Promise<Session>

  /** @param connect gives the session, opening the store if need be */
  constructor(connect: () => Session | Promise<Session>) {
    this.#connect = connect
  }

  async acquire(resources: Resources, options: AcquireOptions, activity: Activity | undefined): Promise<Lock> {
    return this.#acquire(parseRequest(resources, options, refOf, activity))
  }

  async tryAcquire(
    resources: Resources,
    options: TryAcquireOptions,
    activity: Activity | undefined,
  ): Promise<Lock | null> {
    checkOptions(options, TRY_OPTIONS, 'tryAcquire', LEAST_OPTIONS)
    try {
      return await this.acquire(resources, { ...options, waitTimeout: 0 }, activity)
    } catch (error) {
      if (isResourceLockError(error, 'BUSY')) return null
      throw error
    }
  }

  async withLock<T>(
    resources: Resources,
    options: AcquireOptions,
    fn: LockedCallback<T>,
    activity: Activity,
  ): Promise<T> {
    const request = parseRequest(resources, options, refOf, activity)
    if (typeof fn !== 'function') throw new InvalidRequestError(`withLock: ${show(fn)} is not a function.`)
    const lock = await this.#acquire(request)
    if (request.signal !== undefined) lock.follow(request.signal)
    let result: T
    try {
      result = await within(activity, async () => fn(lock))
    } catch (error) {
      const loss = await endOf(lock)
      throw loss === undefined || error === loss ? error : withCause(loss, error)
    }
    const loss = await endOf(lock)
    if (loss !== undefined) throw loss
    return result
  }

  async #connected(signal: AbortSignal | undefined): Promise<Session> {
    const session = this.#connect()
    if (!(session instanceof Promise)) return session
    // Whoever opens a store decides how long that may take.
    return patiently(session, { clock: systemClock, signal })
  }

  async #acquire(request: LockRequest): Promise<Lease> {
    const { signal } = request
    const session = await this.#connected(signal)
    await session.listen(signal)
    return Acquisition.run(session, request)
  }
}

/** Releases a lock at the end of a callback. Returns how it was lost, if it was lost before. */
async function endOf(lock: Lease): Promise<LockLostError | undefined> {
  if (lock.loss !== undefined) return lock.loss
  try {
    await lock.release()
  } catch (error) {
    // The work was done under the lock, and the lease ends by itself if it cannot be released now.
    if (!isResourceLockError(error, 'UNAVAILABLE')) throw error
  }
  return lock.loss
}

function withCause(loss: LockLostError, cause: unknown): LockLostError {
  return new LockLostError(lostMessage(loss), { loss: loss.loss, resources: loss.resources, cause })
}

import { isResourceLockError, type LockBusyError } from '../../core/errors.ts'
import type { Lock } from '../../core/lock/lock.ts'
import type { AcquireOptions } from '../../core/lock/request.ts'
import type { LockManager } from '../../core/manager.ts'
import { getEventBus } from '../../core/reporting/eventbus.ts'
import { within } from '../../core/session/activity.ts'
import { waitTimeoutOf } from '../wait.ts'
import type { Plan } from './plan.ts'
import { waitingNotice } from './waiting-notice.ts'

/**
 * The lock, as soon as it is free.
 *
 * It first asks without waiting: the answer says who is in the way, which the place in line alone would not. That costs
 * a round trip, and only where it has to wait anyway.
 *
 * @param say told once who is in the way, if it joins the line
 * @throws what `acquire` does; the signal's reason, at once, if it aborts, even while the store does not answer
 */
export async function acquireFor(
  plan: Plan,
  locks: LockManager,
  chain: string,
  signal: AbortSignal,
  say: (notice: string) => void,
): Promise<Lock> {
  const options: AcquireOptions = {
    agentId: plan.agentId,
    timeout: `${plan.leaseMs}ms`,
    reason: plan.reason,
    autoExtend: true,
    waitTimeout: 0,
    signal,
  }
  const acquire = (more: Partial<AcquireOptions>): Promise<Lock> =>
    orAbort(
      within({ chain }, () => locks.acquire(plan.claims, { ...options, ...more })),
      signal,
    )
  try {
    return await acquire({})
  } catch (error) {
    if (plan.waitMs === 0 || !isResourceLockError(error, 'BUSY')) throw error
    return whileAnnouncing(error, say, () => acquire({ waitTimeout: waitTimeoutOf(plan.waitMs) }))
  }
}

/** Says who is in the way once the request has joined the line, which it does at most once. */
async function whileAnnouncing(
  busy: LockBusyError,
  say: (notice: string) => void,
  acquire: () => Promise<Lock>,
): Promise<Lock> {
  const stop = getEventBus().subscribe('resource.waiting', () => say(waitingNotice(busy)))
  try {
    return await acquire()
  } finally {
    stop()
  }
}

async function orAbort(work: Promise<Lock>, signal: AbortSignal): Promise<Lock> {
  signal.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } catch (error) {
    // It came after all: closing the manager gives it back, but not all of them are closed in time.
    work.then((lock) => lock.release()).catch(() => {})
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

import { dateOf, reasonOf, type StoreTime } from '../core/info.ts'
import type { Claim } from '../core/model.ts'
import { claimText } from '../core/resource/resource.ts'
import type { WaiterView } from '../core/store.ts'
import type { Connection } from './connection.ts'

/** A request that stands in line. */
export interface WaitingRequest {
  readonly agentId: string
  readonly resources: readonly Claim[]
  readonly since: Date
  readonly reason?: string
}

/** More than anybody reads. */
export const MAX_WAITERS = 1000

export function waitingRequest(view: WaiterView, time: StoreTime): WaitingRequest {
  const { agentId, claims, queuedAt, reason } = view
  return { agentId, resources: claims, since: dateOf(queuedAt, time), ...reasonOf(reason) }
}

/**
 * Everybody who waits in the namespace, longest first. There is no list of them: they are found at what is held, and
 * behind each other, because a request may wait for one that waits.
 */
export async function waitersFor(connection: Connection): Promise<WaitingRequest[]> {
  const ahead: Claim[] = []
  for await (const info of connection.inspection.listLocks()) if (info.waiters > 0) ahead.push(info)
  const looked = new Set<string>()
  const found = new Map<string, WaitingRequest>()
  for (let claim = ahead.pop(); claim !== undefined; claim = ahead.pop()) {
    const { resourceId, scope } = claim
    if (looked.has(claimText(claim))) continue
    looked.add(claimText(claim))
    const { outcome, answer } = await connection.run({
      type: 'inspect',
      resourceId,
      scope,
      leases: 0,
      waiters: MAX_WAITERS,
    })
    for (const view of outcome.waiting) {
      // They carry no number; two of one agent in the same millisecond for the same thing are as good as one.
      const key = JSON.stringify(view)
      if (found.has(key)) continue
      found.set(key, waitingRequest(view, answer))
      ahead.push(...view.claims)
    }
  }
  return [...found.values()].toSorted((a, b) => a.since.getTime() - b.since.getTime())
}

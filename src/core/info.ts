import type { DeadlockLink, LockEvent, LockInfo, Metadata, PreviousHolder } from './model.ts'
import type { CycleView, LeaseView, LoggedEvent, PreviousView } from './store.ts'

/** One moment on the store's two clocks, by which its times become dates. */
export interface StoreTime {
  readonly now: number
  readonly wallNow: number
}

/** A time on the store's lease clock as a date. */
export function dateOf(at: number, { now, wallNow }: StoreTime): Date {
  return new Date(wallNow + at - now)
}

/** Metadata that cannot be read is left out: whoever wrote it was not Holdfast, and the rest is still true. */
export function metadataOf(json: string | null): { metadata?: Metadata } {
  if (json === null) return {}
  try {
    return { metadata: JSON.parse(json) as Metadata }
  } catch {
    return {}
  }
}

export function reasonOf(reason: string | null): { reason?: string } {
  return reason === null ? {} : { reason }
}

export function lockInfoOf(view: LeaseView, time: StoreTime): LockInfo {
  return {
    ...view.claim,
    agentId: view.agentId,
    ...reasonOf(view.reason),
    ...metadataOf(view.metadata),
    lockedAt: new Date(view.wallLockedAt),
    expiresAt: dateOf(view.expiresAt, time),
    fencingToken: view.fence,
    resources: view.claims,
    waiters: view.waiters,
  }
}

export function previousOf(view: PreviousView): PreviousHolder {
  const { resourceId, agentId, wallUntil, fence, reason } = view
  return { resourceId, agentId, until: new Date(wallUntil), fencingToken: fence, ...reasonOf(reason) }
}

export function cycleOf(links: readonly CycleView[], time: StoreTime): DeadlockLink[] {
  return links.map(({ sinceAt, ...link }) => ({ ...link, since: dateOf(sinceAt, time) }))
}

export function eventOf(logged: LoggedEvent): LockEvent {
  const { cursor, type, wallAt, agentId, fence, claims, reason, metadata, heldMs, waitedMs, forced } = logged
  return {
    cursor,
    type,
    at: new Date(wallAt),
    agentId,
    ...(fence === null ? {} : { fencingToken: fence }),
    resources: claims,
    ...reasonOf(reason),
    ...metadataOf(metadata),
    ...(heldMs === null ? {} : { heldMs }),
    ...(waitedMs === null ? {} : { waitedMs }),
    ...(forced === null ? {} : { forced }),
  }
}

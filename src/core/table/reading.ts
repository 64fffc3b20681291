import type { Claim, Scope } from '../model.ts'
import { ancestorsOf, reachesOver } from '../resource/resource.ts'
import type {
  InspectOutcome,
  InspectStep,
  LeaseView,
  ListOutcome,
  ListStep,
  ReadEventsOutcome,
  ReadEventsStep,
  WaiterView,
} from '../store.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { previousOf } from './granting.ts'
import { heldAt, isLive, waitersAgainst } from './lines.ts'
import { type HeldRow, isHeld, type Place } from './storage.ts'
import type { Turn } from './turn.ts'
import { viewOf, waiterView } from './views.ts'

/** How many held claims one step of a listing reads. */
const LIST_PAGE = 256

/** How many events one step reads at most. */
const EVENT_PAGE = 1024

/** A live lease, and the claim by which it covers what was asked for. */
export interface Cover {
  readonly row: HeldRow
  readonly claim: Claim
}

/** The live leases that cover a resource (for a tree: the whole of it), nearest claim first, then earliest first. */
export function* coveringLeases(
  turn: Turn,
  asked: { readonly resourceId: string; readonly scope: Scope },
): Generator<Cover> {
  const wanted: Claim = { resourceId: asked.resourceId, scope: asked.scope, mode: 'shared' }
  const places: [Place, string][] = [[asked.scope === 'tree' ? 'tree' : 'at', asked.resourceId]]
  if (turn.hasTreesAround(asked.resourceId)) {
    for (const ancestor of ancestorsOf(asked.resourceId)) places.push(['tree', ancestor])
  }
  const seen = new Set<number>()
  for (const [place, resourceId] of places) {
    for (const row of heldAt(turn, place, resourceId, 'exclusive')) {
      if (seen.has(row.id)) continue
      seen.add(row.id)
      const claim = row.claims.find((each) => reachesOver(each, wanted))
      if (claim !== undefined) yield { row, claim }
    }
  }
}

/** Who holds a resource, who waits for it, who held it last. */
export function inspect(turn: Turn, step: InspectStep): InspectOutcome {
  const leases: LeaseView[] = []
  for (const { row, claim } of coveringLeases(turn, step)) {
    if (leases.length >= step.leases) break
    leases.push(viewOf(turn, row, claim))
  }
  const [previous = null] = previousOf(turn, { claims: [{ ...step, mode: 'exclusive' }] })
  return { type: 'inspected', leases, waiting: waitersOf(turn, step), previous }
}

function waitersOf(turn: Turn, step: InspectStep): WaiterView[] {
  if (step.waiters === 0) return []
  const found = new Map<number, WaiterView>()
  const asked: Claim = { resourceId: step.resourceId, scope: step.scope, mode: 'exclusive' }
  for (const row of waitersAgainst(turn, [asked], Infinity)) {
    if (found.size >= step.waiters) break
    found.set(row.id, waiterView(row))
  }
  return [...found].toSorted(([a], [b]) => a - b).map(([, view]) => view)
}

/** A page of held claims. */
export function list(turn: Turn, step: ListStep): ListOutcome {
  const page = turn.storage.claims.page(step.prefix, step.after, LIST_PAGE)
  const leases: LeaseView[] = []
  for (const { id, resourceId, mode } of page) {
    const row = turn.storage.requests.get(id)
    if (row === undefined || !isHeld(row) || !isLive(turn, row)) continue
    if (step.agentId !== null && row.agentId !== step.agentId) continue
    if (turn.now - row.lease.grantedAt < step.minAgeMs) continue
    const claim = row.claims.find((each) => each.resourceId === resourceId && each.mode === mode)
    if (claim !== undefined) leases.push(viewOf(turn, row, claim))
  }
  return { type: 'listed', leases, next: page.length < LIST_PAGE ? null : (page.at(-1)?.place ?? null) }
}

/** A page of the event log, or the cursor of its end. */
export function readEvents(turn: Turn, step: ReadEventsStep): ReadEventsOutcome {
  const { epoch, lastEvent } = turn.meta
  if (step.since === null) return { type: 'events', events: [], cursor: formatCursor(epoch, lastEvent), gap: false }
  const since = parseCursor(step.since)
  const known = since !== undefined && since.epoch === epoch && since.number <= lastEvent
  const oldest = Math.max(0, lastEvent - turn.limits.events)
  const from = known ? Math.max(since.number, oldest) : oldest
  // Nothing else is told with it: whoever was told of a gap can go on from its cursor.
  if (!known || from > since.number) return { type: 'events', events: [], cursor: formatCursor(epoch, from), gap: true }
  const found = turn.storage.events.after(from, Math.min(step.limit, EVENT_PAGE))
  return {
    type: 'events',
    events: found.map(({ event }) => event),
    cursor: formatCursor(epoch, found.at(-1)?.number ?? from),
    gap: false,
  }
}

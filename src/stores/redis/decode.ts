/** What comes back from the Lua of `table/`: the lists that it writes, as the objects that the contract names. */
import type { EventType, Loss } from '../../core/model.ts'
import type {
  Answer,
  CycleView,
  GrantView,
  LeaseView,
  LoggedEvent,
  Message,
  Outcome,
  PreviousView,
  ReadEventsOutcome,
  WaiterView,
} from '../../core/store.ts'
import { formatCursor } from '../../core/table/cursor.ts'
import { decodeClaim } from './wire.ts'

type Subject = readonly [agentId: string, claims: readonly string[], reason: string | null, metadata: string | null]
type Previous = readonly [resourceId: string, wallUntil: number, fence: number, agentId: string, reason: string | null]
type Grant = readonly [
  id: number,
  fence: number,
  wallLockedAt: number,
  expiresAt: number,
  waiters: number,
  waitedMs: number,
  event: number,
  previous: readonly Previous[],
]
type Lease = readonly [
  claim: string,
  ...subject: Subject,
  wallLockedAt: number,
  expiresAt: number,
  fence: number,
  waiters: number,
]
type Waiter = readonly [...subject: Subject, queuedAt: number]
type Link = readonly [agentId: string, claim: string, sinceAt: number, state: CycleView['state']]
type Event = readonly [
  type: keyof typeof EVENT_TYPES,
  ...subject: Subject,
  fence: number | null,
  heldMs: number | null,
  waitedMs: number | null,
  forced: LoggedEvent['forced'],
]
type LogEntry = readonly [last: number, count: number, entry: readonly [wallAt: number, ...events: readonly Event[]]]

/** Messages and outcomes by the number that each begins with, after a message's own number. */
type WireMessage =
  | readonly [number: number, type: 1, ...grant: Grant]
  | readonly [number: number, type: 2, id: number, loss: Loss, heldMs: number, event: number]
  | readonly [number: number, type: 3, id: number, cycle: readonly Link[], event: number]
  | readonly [number: number, type: 4, id: number, waiters: number]
type WireOutcome =
  | readonly [1 | 2, ...grant: Grant]
  | readonly [3, id: number, event: number]
  | readonly [4, holders: readonly Lease[], ahead: number]
  | readonly [5, cycle: readonly Link[], event: number]
  | readonly [6]
  | readonly [7, expiresAt: number, event: number]
  | readonly [8]
  | readonly [9, released: boolean, shared: boolean, heldMs: number, event: number]
  | readonly [10, holders: readonly Lease[], ahead: number, waitedMs: number, event: number]
  | readonly [11]
  | readonly [12, ended: readonly Lease[], unfinished: boolean]
  | readonly [13, leases: readonly Lease[], waiting: readonly Waiter[], previous: readonly Previous[]]
  | readonly [14, leases: readonly Lease[], next: string | null]
  | readonly [15, from: number, limit: number, gap: boolean, entries: readonly LogEntry[]]
type WireAnswer = readonly [
  epoch: string,
  now: number,
  wallNow: number,
  fresh: boolean,
  more: boolean,
  wakeAt: number | null,
  messages: readonly WireMessage[],
  outcomes: readonly WireOutcome[] | null,
]
type WirePush = readonly [epoch: string, messages: readonly WireMessage[]]

const EVENT_TYPES = {
  l: 'resource.locked',
  u: 'resource.unlocked',
  x: 'resource.expired',
  e: 'resource.extended',
  w: 'resource.waiting',
  a: 'resource.abandoned',
  d: 'resource.deadlock',
} as const satisfies Readonly<Record<string, EventType>>

/** The answer of the table's script to a batch of so many steps. @throws Error for what cannot be one */
export function decodeAnswer(text: string, steps: number): Answer {
  const [epoch, now, wallNow, fresh, more, wakeAt, messages, outcomes] = JSON.parse(text) as WireAnswer
  // Whoever asked for what has no outcome would wait for ever.
  if (outcomes !== null && outcomes.length !== steps)
    throw new TypeError(`${outcomes.length} outcomes of ${steps} steps`)
  return {
    epoch,
    now,
    wallNow,
    fresh,
    more,
    wakeAt,
    messages: messages.map((message) => decodeMessage(epoch, message)),
    outcomes: outcomes && outcomes.map((outcome) => decodeOutcome(epoch, outcome)),
  }
}

/** What the table has published on a session's channel; `undefined` for what it has not: anybody may publish. */
export function decodePush(text: string): readonly Message[] | undefined {
  try {
    const [epoch, messages] = JSON.parse(text) as WirePush
    return messages.map((message) => decodeMessage(epoch, message))
  } catch {
    return undefined
  }
}

function decodeMessage(epoch: string, message: WireMessage): Message {
  const [number, type] = message
  switch (type) {
    case 1: {
      const [, , ...grant] = message
      return { number, type: 'granted', ...decodeGrant(epoch, grant) }
    }
    case 2: {
      const [, , id, loss, heldMs, event] = message
      return { number, type: 'lost', id, loss, heldMs, cursor: cursorOf(epoch, event) }
    }
    case 3: {
      const [, , id, cycle, event] = message
      return { number, type: 'deadlock', id, cycle: cycle.map(decodeLink), cursor: cursorOf(epoch, event) }
    }
    case 4: {
      const [, , id, waiters] = message
      return { number, type: 'wanted', id, waiters }
    }
    default:
      throw unknown(type)
  }
}

function decodeOutcome(epoch: string, outcome: WireOutcome): Outcome {
  switch (outcome[0]) {
    case 1:
    case 2: {
      const [type, ...grant] = outcome
      return { type: type === 1 ? 'granted' : 'entered', ...decodeGrant(epoch, grant) }
    }
    case 3:
      return { type: 'waiting', id: outcome[1], cursor: cursorOf(epoch, outcome[2]) }
    case 4:
      return { type: 'busy', holders: outcome[1].map(decodeLease), ahead: outcome[2] }
    case 5:
      return { type: 'deadlock', cycle: outcome[1].map(decodeLink), cursor: cursorOf(epoch, outcome[2]) }
    case 6:
      return { type: 'again' }
    case 7:
      return { type: 'extended', expiresAt: outcome[1], cursor: cursorOf(epoch, outcome[2]) }
    case 8:
      return { type: 'gone' }
    case 9: {
      const [, released, shared, heldMs, event] = outcome
      return { type: 'released', released, shared, heldMs, cursor: cursorOf(epoch, event) }
    }
    case 10: {
      const [, holders, ahead, waitedMs, event] = outcome
      return { type: 'cancelled', holders: holders.map(decodeLease), ahead, waitedMs, cursor: cursorOf(epoch, event) }
    }
    case 11:
      return { type: 'done' }
    case 12:
      return { type: 'forced', ended: outcome[1].map(decodeLease), unfinished: outcome[2] }
    case 13: {
      const [previous] = outcome[3].map(decodePrevious)
      const [leases, waiting] = [outcome[1].map(decodeLease), outcome[2].map(decodeWaiter)]
      return { type: 'inspected', leases, waiting, previous: previous ?? null }
    }
    case 14:
      return { type: 'listed', leases: outcome[1].map(decodeLease), next: outcome[2] }
    case 15: {
      const [, from, limit, gap, entries] = outcome
      return decodeEvents(epoch, { from, limit, gap }, entries)
    }
    default:
      throw unknown(outcome[0])
  }
}

/** Somebody else has written to the rows: the types say that this cannot be. */
function unknown(type: never): TypeError {
  return new TypeError(`Nothing is known by the number ${String(type)}.`)
}

function decodeGrant(epoch: string, grant: Grant): GrantView {
  const [id, fence, wallLockedAt, expiresAt, waiters, waitedMs, event, previous] = grant
  const cursor = cursorOf(epoch, event)
  return { id, fence, wallLockedAt, expiresAt, previous: previous.map(decodePrevious), waiters, waitedMs, cursor }
}

function decodePrevious([resourceId, wallUntil, fence, agentId, reason]: Previous): PreviousView {
  return { resourceId, agentId, wallUntil, fence, reason }
}

function decodeLease(lease: Lease): LeaseView {
  const [claim, agentId, claims, reason, metadata, wallLockedAt, expiresAt, fence, waiters] = lease
  return {
    claim: decodeClaim(claim),
    claims: claims.map(decodeClaim),
    agentId,
    reason,
    metadata,
    wallLockedAt,
    expiresAt,
    fence,
    waiters,
  }
}

function decodeWaiter([agentId, claims, reason, , queuedAt]: Waiter): WaiterView {
  return { claims: claims.map(decodeClaim), agentId, reason, queuedAt }
}

function decodeLink([agentId, text, sinceAt, state]: Link): CycleView {
  const { resourceId, mode } = decodeClaim(text)
  return { agentId, resourceId, mode, sinceAt, state }
}

/** Entries are whole batches: they may begin before the place that was asked for, and end behind the limit. */
function decodeEvents(
  epoch: string,
  asked: { readonly from: number; readonly limit: number; readonly gap: boolean },
  entries: readonly LogEntry[],
): ReadEventsOutcome {
  const { from, limit, gap } = asked
  const events = entries.flatMap(([last, count, [wallAt, ...written]]) => {
    const first = last - count + 1
    const skipped = Math.max(0, from + 1 - first)
    return written.slice(skipped).map((event, index) => ({ number: first + skipped + index, wallAt, event }))
  })
  const page = events.slice(0, limit)
  return {
    type: 'events',
    events: page.map(({ number, wallAt, event }) => decodeEvent(formatCursor(epoch, number), wallAt, event)),
    cursor: formatCursor(epoch, page.at(-1)?.number ?? from),
    gap,
  }
}

function decodeEvent(cursor: string, wallAt: number, event: Event): LoggedEvent {
  const [type, agentId, claims, reason, metadata, fence, heldMs, waitedMs, forced] = event
  return {
    cursor,
    type: EVENT_TYPES[type],
    wallAt,
    agentId,
    fence,
    claims: claims.map(decodeClaim),
    reason,
    metadata,
    heldMs,
    waitedMs,
    forced,
  }
}

/** Events are numbered from 1; 0 where the log is off. */
function cursorOf(epoch: string, event: number): string | null {
  return event === 0 ? null : formatCursor(epoch, event)
}

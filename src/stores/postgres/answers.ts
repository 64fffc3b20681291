import type { Claim, DeadlockLink, EventType, Mode } from '../../core/model.ts'
import type {
  Answer,
  CycleView,
  GrantView,
  LeaseView,
  LoggedEvent,
  Message,
  Outcome,
  PreviousView,
  WaiterView,
} from '../../core/store.ts'
import { formatCursor } from '../../core/table/cursor.ts'
import { readJson } from './text.ts'

/** What the functions in `table/*.sql` answer: lists, whose first entry says what they are. */
type Who = readonly [agentId: string, reason: string | null]
type What = readonly [claims: readonly string[], metadata: string | null]
type Previous = readonly [resourceId: string, who: Who, wallUntil: number, fence: number]
type Lease = readonly [string, Who, What, wallLockedAt: number, expiresAt: number, fence: number, waiters: number]
type Waiter = readonly [Who, What, queuedAt: number]
type Link = readonly [agentId: string, claim: string, sinceAt: number, state: DeadlockLink['state']]
type Logged = readonly [
  type: string,
  Who,
  What,
  fence: number | null,
  heldMs: number | null,
  waitedMs: number | null,
  forced: Forced | null,
]
type Forced = readonly [by: string, reason: string]
type Grant = readonly [
  id: number,
  fence: number,
  wallLockedAt: number,
  expiresAt: number,
  previous: readonly Previous[],
  waiters: number,
  waitedMs: number,
  event: number | null,
]

type ToldOutcome =
  | readonly ['granted' | 'entered', ...Grant]
  | readonly ['waiting', number, number | null]
  | readonly ['busy', readonly Lease[], number]
  | readonly ['deadlock', readonly Link[], number | null]
  | readonly ['again' | 'gone' | 'done']
  | readonly ['extended', number, number | null]
  | readonly ['released', boolean, boolean, number, number | null]
  | readonly ['cancelled', readonly Lease[], number, number, number | null]
  | readonly ['forced', readonly Lease[], boolean]
  | readonly ['inspected', readonly Lease[], readonly Waiter[], readonly Previous[]]
  | readonly ['listed', readonly Lease[], readonly [boolean, string, number] | null]
  | readonly ['events', readonly (readonly [number, number, Logged])[], number, boolean]

type ToldMessage =
  | readonly ['granted', number, ...Grant]
  | readonly ['lost', number, number, 'expired' | 'forced', Forced | null, number, number | null]
  | readonly ['deadlock', number, number, readonly Link[], number | null]
  | readonly ['wanted', number, number, number]

type ToldAnswer = readonly [
  epoch: string,
  now: number,
  wallNow: number,
  fresh: boolean,
  more: boolean,
  wakeAt: number | null,
  messages: readonly ToldMessage[],
  outcomes: readonly ToldOutcome[] | null,
]

/** The answer to a batch of so many steps, as `apply` gives it. @throws Error for what cannot be one */
export function readAnswer(text: string, steps: number): Answer {
  const [epoch, now, wallNow, fresh, more, wakeAt, messages, outcomes] = readJson(text) as ToldAnswer
  // Whoever asked for what has no outcome would wait for ever.
  if (outcomes !== null && outcomes.length !== steps)
    throw new TypeError(`${outcomes.length} outcomes of ${steps} steps`)
  const reader = new Reader(epoch)
  return {
    epoch,
    now,
    wallNow,
    fresh,
    more,
    wakeAt,
    messages: messages.map((message) => reader.message(message)),
    outcomes: outcomes?.map((outcome) => reader.outcome(outcome)) ?? null,
  }
}

/** The messages of a notification; `undefined` for what the functions have not sent: anybody may notify. */
export function readMessages(text: string): readonly Message[] | undefined {
  try {
    const [epoch, messages] = readJson(text) as readonly [string, readonly ToldMessage[]]
    const reader = new Reader(epoch)
    return messages.map((message) => reader.message(message))
  } catch {
    return undefined
  }
}

/** Events are told by their numbers; with the epoch they are cursors. */
class Reader {
  readonly #epoch: string

  constructor(epoch: string) {
    this.#epoch = epoch
  }

  outcome(told: ToldOutcome): Outcome {
    switch (told[0]) {
      case 'granted':
      case 'entered': {
        const [type, ...grant] = told
        return { type, ...this.#grant(grant) }
      }
      case 'waiting':
        return { type: told[0], id: told[1], cursor: this.#cursor(told[2]) }
      case 'busy':
        return { type: told[0], holders: told[1].map(lease), ahead: told[2] }
      case 'deadlock':
        return { type: told[0], cycle: told[1].map(link), cursor: this.#cursor(told[2]) }
      case 'again':
      case 'gone':
      case 'done':
        return { type: told[0] }
      case 'extended':
        return { type: told[0], expiresAt: told[1], cursor: this.#cursor(told[2]) }
      case 'released': {
        const [type, released, shared, heldMs, event] = told
        return { type, released, shared, heldMs, cursor: this.#cursor(event) }
      }
      case 'cancelled': {
        const [type, holders, ahead, waitedMs, event] = told
        return { type, holders: holders.map(lease), ahead, waitedMs, cursor: this.#cursor(event) }
      }
      case 'forced':
        return { type: told[0], ended: told[1].map(lease), unfinished: told[2] }
      case 'inspected': {
        const [type, leases, waiting, [previous]] = told
        const last = previous === undefined ? null : previousView(previous)
        return { type, leases: leases.map(lease), waiting: waiting.map(waiter), previous: last }
      }
      case 'listed': {
        const [type, leases, next] = told
        return { type, leases: leases.map(lease), next: next === null ? null : writePlace(next) }
      }
      case 'events': {
        const [type, events, number, gap] = told
        const cursor = formatCursor(this.#epoch, number)
        return { type, events: events.map((event) => this.#event(event)), cursor, gap }
      }
      default:
        throw unknown(told[0])
    }
  }

  message(told: ToldMessage): Message {
    switch (told[0]) {
      case 'granted': {
        const [type, number, ...grant] = told
        return { number, type, ...this.#grant(grant) }
      }
      case 'lost': {
        const [type, number, id, kind, forced, heldMs, event] = told
        const loss = forced === null ? { kind } : { kind, by: forced[0], reason: forced[1] }
        return { number, type, id, loss, heldMs, cursor: this.#cursor(event) }
      }
      case 'deadlock': {
        const [type, number, id, cycle, event] = told
        return { number, type, id, cycle: cycle.map(link), cursor: this.#cursor(event) }
      }
      case 'wanted': {
        const [type, number, id, waiters] = told
        return { number, type, id, waiters }
      }
      default:
        throw unknown(told[0])
    }
  }

  #grant([id, fence, wallLockedAt, expiresAt, previous, waiters, waitedMs, event]: Grant): GrantView {
    const views = previous.map(previousView)
    return { id, fence, wallLockedAt, expiresAt, previous: views, waiters, waitedMs, cursor: this.#cursor(event) }
  }

  #event([number, wallAt, logged]: readonly [number, number, Logged]): LoggedEvent {
    const [type, [agentId, reason], [claims, metadata], fence, heldMs, waitedMs, forced] = logged
    return {
      cursor: formatCursor(this.#epoch, number),
      type: `resource.${type}` as EventType,
      wallAt,
      agentId,
      fence,
      claims: claims.map(claim),
      reason,
      metadata,
      heldMs,
      waitedMs,
      forced: forced === null ? null : { by: forced[0], reason: forced[1] },
    }
  }

  #cursor(event: number | null): string | null {
    return event === null ? null : formatCursor(this.#epoch, event)
  }
}

/** Somebody else has written to the rows: the types say that this cannot be. */
function unknown(type: never): TypeError {
  return new TypeError(`Nothing is known by the name of ${String(type)}.`)
}

function claim(text: string): Claim {
  const scope = text.charAt(1) === 't' ? 'tree' : 'node'
  return { resourceId: text.slice(2), mode: modeOf(text), scope }
}

function modeOf(text: string): Mode {
  return text.startsWith('s') ? 'shared' : 'exclusive'
}

function lease([covering, who, what, wallLockedAt, expiresAt, fence, waiters]: Lease): LeaseView {
  const [agentId, reason] = who
  const [claims, metadata] = what
  const told = { claim: claim(covering), claims: claims.map(claim), agentId, reason, metadata }
  return { ...told, wallLockedAt, expiresAt, fence, waiters }
}

function waiter([[agentId, reason], [claims], queuedAt]: Waiter): WaiterView {
  return { claims: claims.map(claim), agentId, reason, queuedAt }
}

function previousView([resourceId, [agentId, reason], wallUntil, fence]: Previous): PreviousView {
  return { resourceId, agentId, wallUntil, fence, reason }
}

function link([agentId, text, sinceAt, state]: Link): CycleView {
  return { agentId, resourceId: text.slice(2), mode: modeOf(text), sinceAt, state }
}

/** The place of a claim in the order of a listing; the reverse is in `wire.ts`. */
function writePlace([isShared, resourceId, id]: readonly [boolean, string, number]): string {
  return `${isShared ? 's' : 'e'} ${id} ${resourceId}`
}

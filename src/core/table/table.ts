/**
 * The lock table: the grant rule of the lock model as one deterministic state machine. It has a single door,
 * {@link applyBatch}, and knows nothing of clocks, processes or files; a store gives it rows and the time.
 */
import { InvalidRequestError } from '../errors.ts'
import type { Answer, Batch, Message, Outcome, Step } from '../store.ts'
import { type Acknowledged, acknowledged } from './acknowledging.ts'
import { acquire } from './acquiring.ts'
import { checkNarrowedChains } from './deadlock.ts'
import { endWait } from './ending.ts'
import { confirm, settle } from './granting.ts'
import { cancel, extend, force, handBack, release } from './holding.ts'
import { inspect, list, readEvents } from './reading.ts'
import type { MetaRow, SessionRow, TableStorage } from './storage.ts'
import { suspend, sweep } from './sweeping.ts'
import { isAlive, onlyLooks, type Surroundings, Turn } from './turn.ts'

/**
 * A floor further ahead of the wall clock than this is refused: it would push all later tokens ahead. Not so one that
 * this very table has given, or nobody could speak to it any more when its wall clock was set back.
 */
const MAX_FLOOR_LEAD_MS = 60_000

/** How many messages one answer carries. */
const MESSAGE_PAGE = 256

/** What a batch did, and whom to tell of it. */
export interface Applied {
  readonly answer: Answer
  /** Messages to push to other sessions, once the batch stands. */
  readonly posts: ReadonlyMap<string, readonly Message[]>
  /** Whether the event log has grown. */
  readonly logged: boolean
}

/** The row of a namespace that has just been made. The epoch is 128 random bits, in hexadecimal. */
export function newMeta(epoch: string): MetaRow {
  return { epoch, lastId: 0, lastFence: 0, lastEvent: 0, unsettled: 0, unchecked: 0 }
}

/**
 * Executes a batch: first what is due is ended and what that frees is granted, then each step in order, each followed
 * by the grants that it makes possible. All that can be refused is refused before the first write.
 *
 * @throws InvalidRequestError for a batch older than the session's last, or a floor too far ahead.
 */
export function applyBatch(storage: TableStorage, batch: Batch, surroundings: Surroundings): Applied {
  const turn = new Turn(storage, surroundings)
  if (batch.floor > Math.max(turn.meta.lastFence, (turn.wallNow + MAX_FLOOR_LEAD_MS) * 1000))
    throw floorTooHigh(batch.floor)
  if (batch.epoch !== null && batch.epoch !== turn.meta.epoch) return nothingDone(turn)
  const before = turn.session(batch.session)
  if (before !== undefined && batch.number < before.batch) throw staleBatch(batch.number, before.batch)
  if (before !== undefined && batch.number === before.batch) {
    const answer = storage.sessions.answer(batch.session)
    if (answer !== undefined) return { answer, posts: new Map(), logged: false }
  }
  const news = acknowledged(turn, batch, before)
  const comeback = before === undefined ? undefined : comebackOf(turn, batch, before, news)
  if (batch.lastId > turn.meta.lastId) turn.changeMeta({ lastId: batch.lastId })
  if (batch.floor > turn.meta.lastFence) turn.changeMeta({ lastFence: batch.floor })
  const session = enterSession(turn, batch, before, comeback)
  if (comeback !== 'rollback') confirmAll(turn, session, news)
  sweep(turn)
  const outcomes = batch.steps.map((step) => {
    const outcome = execute(turn, step, session)
    settle(turn)
    return outcome
  })
  settleChains(turn)
  return finish(turn, batch, { fresh: comeback !== undefined || before === undefined, outcomes })
}

/** From where a session comes back: it was silent for too long, or the store has forgotten what it was told. */
type Comeback = 'silence' | 'rollback'

/**
 * Where the store has lost changes that the session was told of, its waiters are as those of a dead session, and ids go
 * on above all that it has seen, so that none of them means something else to it.
 */
function comebackOf(
  { meta, now }: Turn,
  batch: Batch,
  before: SessionRow,
  { areReceived }: Acknowledged,
): Comeback | undefined {
  const isBehind = batch.lastId > meta.lastId || batch.answered > before.batch || batch.acked > before.posted
  if (isBehind || !areReceived) return 'rollback'
  return isAlive(before, now) ? undefined : 'silence'
}

/** Notes that the session was heard of. A batch that only looks leaves no trace. */
function enterSession(
  turn: Turn,
  batch: Batch,
  before: SessionRow | undefined,
  comeback: Comeback | undefined,
): SessionRow {
  const { session: id, number, acked, deadMs } = batch
  const returns = comeback !== undefined
  const session: SessionRow = {
    id,
    birth: (before?.birth ?? 0) + (before === undefined || returns ? 1 : 0),
    seenAt: turn.now,
    deadMs,
    batch: number,
    // Of a session that was forgotten the numbers go on where its client stands.
    posted: before?.posted ?? acked,
    // What was acknowledged before the store went back may have been another message of that number.
    acked: comeback === 'rollback' ? (before?.acked ?? acked) : Math.max(before?.acked ?? acked, acked),
    waiting: before?.waiting ?? 0,
    haunted: (before?.haunted ?? false) || (returns && (before?.waiting ?? 0) > 0),
    dueAt: returns ? turn.now : Math.min(before?.dueAt ?? Infinity, turn.now + deadMs),
    keepUntil: before?.keepUntil ?? 0,
  }
  if (before === undefined && onlyLooks(batch)) return session
  turn.putSession(session)
  // Written at once, because the sweep asks storage whose waiters are to be ended.
  if (returns) turn.storage.sessions.put(session)
  return session
}

/** Forgets the messages that the session has acknowledged, and confirms the grants among them. */
function confirmAll(turn: Turn, { id, acked }: SessionRow, { messages }: Acknowledged): void {
  if (messages.length === 0) return
  turn.storage.outbox.drop(id, acked)
  for (const message of messages) if (message.type === 'granted') confirm(turn, message.id)
}

function execute(turn: Turn, step: Step, session: SessionRow): Outcome {
  switch (step.type) {
    case 'acquire':
      return acquire(turn, step, session)
    case 'extend':
      return extend(turn, step)
    case 'release':
      return release(turn, step)
    case 'cancel':
      return cancel(turn, step)
    case 'handBack':
      return handBack(turn, step, session)
    case 'force':
      return force(turn, step)
    case 'inspect':
      return inspect(turn, step)
    case 'list':
      return list(turn, step)
    case 'readEvents':
      return readEvents(turn, step)
    case 'goodbye':
      return leave(turn, session)
  }
}

/** The session is dead from now on: the sweep takes away what it leaves behind. */
function leave(turn: Turn, { id }: SessionRow): Outcome {
  const waiters = turn.storage.requests.waitingOf(id, turn.touched.left)
  turn.touched.left -= waiters.length
  for (const waiter of waiters) endWait(turn, waiter)
  const session = turn.session(id)
  if (session !== undefined) turn.putSession({ ...session, seenAt: turn.now - session.deadMs, dueAt: turn.now })
  return { type: 'done' }
}

/** A chain that is checked may end a request, which grants others, which may narrow chains again. */
function settleChains(turn: Turn): void {
  while (turn.narrowed.size > 0) {
    checkNarrowedChains(turn)
    settle(turn)
  }
}

function finish(turn: Turn, batch: Batch, done: { fresh: boolean; outcomes: readonly Outcome[] }): Applied {
  const more = suspend(turn)
  const session = turn.session(batch.session)
  const messages =
    session === undefined || session.posted === session.acked
      ? []
      : turn.storage.outbox.after(batch.session, session.acked, MESSAGE_PAGE)
  const answer: Answer = {
    epoch: turn.meta.epoch,
    now: turn.now,
    wallNow: turn.wallNow,
    ...done,
    more: more || messages.length === MESSAGE_PAGE,
    wakeAt: session !== undefined && session.waiting > 0 ? (turn.storage.requests.nextWanted() ?? null) : null,
    messages,
  }
  turn.flush()
  if (session !== undefined) turn.storage.sessions.saveAnswer(batch.session, answer)
  turn.posts.delete(batch.session)
  return { answer, posts: turn.posts, logged: turn.hasLogged }
}

function nothingDone(turn: Turn): Applied {
  const { epoch } = turn.meta
  const { now, wallNow } = turn
  const answer = { epoch, now, wallNow, fresh: true, more: false, wakeAt: null, messages: [], outcomes: null }
  return { answer, posts: new Map(), logged: false }
}

function staleBatch(number: number, last: number): InvalidRequestError {
  return new InvalidRequestError(
    `Batch ${number} is a late copy: the session has sent batch ${last} since. Nothing was done.`,
  )
}

function floorTooHigh(floor: number): InvalidRequestError {
  return new InvalidRequestError(
    `The fencing token ${floor} that this session says it has seen is more than a minute ahead of the store's clock: check the clocks of the machines. Nothing was done.`,
  )
}

/**
 * What crosses the wire to the Lua of `table/`, as compact as it can be: lists instead of objects, claims as one text
 * each (mode, scope, resource: `xnfile:a`). What the table never looks into travels as JSON inside of a text, and comes
 * back as it was: agents, chains, reasons, metadata. `table/steps.lua` reads the batch; `decode.ts` reads the answer.
 */
import type { Claim } from '../../core/model.ts'
import { randomId } from '../../core/random-id.ts'
import type { AcquireStep, Batch, Message, Step, StoreLimits } from '../../core/store.ts'

/** What a namespace is told apart by from its earlier and later lives. */
export function makeEpoch(): string {
  return Buffer.from(randomId(), 'base64url').toString('hex')
}

/** Says with which command the server publishes. */
export type PublishCommand = 'PUBLISH' | 'SPUBLISH'

/** What is the same for every batch of a store, as one text: the table looks into it only when it changes. */
export function encodeSettings({ events, previous, previousMs }: StoreLimits, publish: PublishCommand): string {
  return `${events} ${previous} ${previousMs} ${publish}`
}

/**
 * The argument of the table's script.
 *
 * @param settings by {@link encodeSettings}
 * @param newEpoch where the namespace does not exist yet, or any more, this is its epoch. Without it the table refuses
 *   to make one.
 */
export function encodeBatch(batch: Batch, settings: string, newEpoch: string | undefined): string {
  const { session, number, epoch, acked, received, deadMs, floor, answered, lastId, steps } = batch
  return JSON.stringify([
    session,
    number,
    epoch ?? 0,
    acked,
    deadMs,
    floor,
    answered,
    lastId,
    newEpoch ?? 0,
    settings,
    steps.map(encodeStep),
    ...(received.length > 0 ? [received.map(beginningOf)] : []),
  ])
}

/** The first letters of a message as the table has written it: all by which it differs from others of its number. */
function beginningOf(message: Message): string {
  const { number, type, id } = message
  return `[${number},${MESSAGE_TYPES[type]},${id},${type === 'granted' ? `${message.fence},` : ''}`
}

const MESSAGE_TYPES = { granted: 1, lost: 2, deadlock: 3, wanted: 4 } as const satisfies Record<Message['type'], number>

/**
 * Whether a batch is executed also where the server's memory is full: if it gives back at least as much as it takes. So
 * then nothing new is locked, but releases, heartbeats and extensions go on.
 */
export function isFrugal({ steps }: Batch): boolean {
  let balance = 0
  for (const { type } of steps) {
    if (type === 'acquire') balance += 1
    else if (FREEING.has(type)) balance -= 1
  }
  return balance <= 0
}

const FREEING: ReadonlySet<Step['type']> = new Set(['release', 'cancel', 'handBack', 'force', 'goodbye'])

function encodeStep(step: Step): readonly unknown[] {
  switch (step.type) {
    case 'acquire':
      return encodeAcquire(step)
    case 'extend':
      return ['e', step.id, step.token, step.ttlMs, step.automatic ? 1 : 0, step.fence ?? -1]
    case 'release':
      return ['r', step.id, step.token, step.expired ? 1 : 0]
    case 'cancel':
      return ['c', step.id, step.token, step.explain === null ? 0 : encodeClaims(step.explain)]
    case 'handBack':
      return ['h', step.id, step.fence]
    case 'force': {
      const { by, reason } = step
      return ['f', encodeCovered(step), step.fence ?? -1, JSON.stringify({ by, reason })]
    }
    case 'inspect':
      return ['i', encodeCovered(step), step.leases, step.waiters]
    case 'list': {
      const { prefix, agentId, minAgeMs, after } = step
      return ['l', wellFormed(prefix), json(agentId), minAgeMs, wellFormed(after) ?? 0]
    }
    case 'readEvents':
      return ['v', wellFormed(step.since) ?? 0, step.limit]
    case 'goodbye':
      return ['g']
  }
}

function encodeAcquire(step: AcquireStep): readonly unknown[] {
  const { token, agentId, claims, ttlMs, waitMs, chain, reentrant, holding, maxHoldMs, reason, metadata } = step
  const usual = ['a', token, JSON.stringify(agentId), encodeClaims(claims), ttlMs, waitMs ?? -1, json(chain)]
  if (!reentrant && holding === null && maxHoldMs === null && reason === null && metadata === null) return usual
  const own = holding === null ? [0, 0] : [holding.id, holding.token]
  return [...usual, [reentrant ? 1 : 0, ...own, maxHoldMs ?? -1, json(reason), json(metadata)]]
}

function encodeClaims(claims: readonly Claim[]): string | readonly string[] {
  const [first] = claims
  return first !== undefined && claims.length === 1 ? encodeClaim(first) : claims.map(encodeClaim)
}

function encodeClaim({ mode, scope, resourceId }: Claim): string {
  return `${mode === 'exclusive' ? 'x' : 's'}${scope === 'tree' ? 't' : 'n'}${resourceId}`
}

/** Covering is not a matter of modes. */
function encodeCovered({ scope, resourceId }: Pick<Claim, 'scope' | 'resourceId'>): string {
  return encodeClaim({ mode: 'shared', scope, resourceId })
}

/** A text that the table does not look into; 0 for none. */
function json(text: string | null): string | 0 {
  return text === null ? 0 : JSON.stringify(text)
}

/** Half of a surrogate pair is found nowhere, and Lua's JSON would stumble over it. */
function wellFormed<T extends string | null>(text: T): T {
  return text === null ? text : (text.toWellFormed() as T)
}

/** The reverse of {@link encodeClaim}. */
export function decodeClaim(text: string): Claim {
  return {
    resourceId: text.slice(2),
    mode: text.startsWith('x') ? 'exclusive' : 'shared',
    scope: text[1] === 't' ? 'tree' : 'node',
  }
}

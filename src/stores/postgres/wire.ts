import { createHash } from 'node:crypto'
import type { Claim } from '../../core/model.ts'
import type { AcquireStep, Batch, ListStep, Message, ReadEventsStep, Step, StoreLimits } from '../../core/store.ts'
import { parseCursor } from '../../core/table/cursor.ts'
import type { Value } from './clients/client.ts'
import { guarded, textAfter, writeJson } from './text.ts'

/** What `apply` takes between the namespace and the durability. See `table/table.sql`. */
export type WrittenBatch = readonly Value[]

/** A batch as `apply` reads it. */
export function writeBatch(batch: Batch, limits: StoreLimits): WrittenBatch {
  const { session, number, epoch, acked, received, deadMs, floor, answered, lastId, steps } = batch
  const { events, previous, previousMs } = limits
  const { acquires, releases } = quickSteps(steps)
  return [
    guarded(session),
    epoch === null ? null : guarded(epoch),
    ...[number, acked, deadMs, floor, answered, lastId, events, previous, previousMs, acquires, releases].map(whole),
    received.length === 0 ? null : received.map(beginningOf).join('\n'),
    steps.length > 0 && steps.every(onlyLooks),
    writeJson(writeSteps(steps)),
    ...(acquires + releases === 1 ? writeAlone(steps[0]) : NOT_ALONE),
  ]
}

const NOT_ALONE: readonly Value[] = Array<null>(9).fill(null)

/**
 * The step of a batch that has no other, as `table/alone.sql` takes it: token, lease, who, what, claim, ttl, wait, chain
 * and max_hold. It saves the server reading JSON.
 */
function writeAlone(step: Step | undefined): readonly Value[] {
  if (step?.type === 'release') return [guarded(step.token), step.id, ...NOT_ALONE.slice(2)]
  if (step?.type !== 'acquire' || step.claims.length !== 1) return NOT_ALONE
  const { token, who, what, claims, ttl, wait = null, chain, max_hold: maxHold } = writeAcquire(step)
  return [
    guarded(token),
    null,
    writeJson(who),
    writeJson(what),
    ...claims.map(guarded),
    Math.min(ttl, maxHold ?? ttl),
    wait,
    chain === undefined ? null : guarded(chain),
    maxHold ?? null,
  ]
}

/** The first letters of a message as `post` has written it: all by which it differs from others of its number. */
function beginningOf(message: Message): string {
  const { type, number, id } = message
  return `["${type}",${number},${id},${type === 'granted' ? `${message.fence},` : ''}`
}

/** The channel on which a session is notified; with an empty session the one on which the log's growth is announced. */
export function channelOf(schema: string, namespace: string, session: string): string {
  const hash = createHash('sha256').update(`${schema}/${namespace}/${guarded(session)}`)
  return `holdfast_${hash.digest('hex').slice(0, 48)}`
}

function onlyLooks({ type }: Step): boolean {
  return type === 'inspect' || type === 'list' || type === 'readEvents'
}

/**
 * How many steps of each kind there are in a batch that `table/quick.sql` may be able to execute: acquires of nodes and
 * releases of leases, none of which has to do with another. Zeros for any other batch.
 */
function quickSteps(steps: readonly Step[]): { acquires: number; releases: number } {
  const seen = new Set<string | number>()
  let acquires = 0
  let releases = 0
  for (const step of steps) {
    if (step.type === 'release' && !step.expired) releases += 1
    else if (step.type === 'acquire' && isQuick(step)) acquires += 1
    else return { acquires: 0, releases: 0 }
    const named = step.type === 'release' ? [step.id] : step.claims.map(({ resourceId }) => resourceId)
    for (const name of named) {
      if (seen.has(name)) return { acquires: 0, releases: 0 }
      seen.add(name)
    }
  }
  return { acquires, releases }
}

function isQuick({ reentrant, holding, claims }: AcquireStep): boolean {
  return !reentrant && holding === null && claims.every(({ scope }) => scope === 'node')
}

/** Acquires are numbered, from 1. */
function writeSteps(steps: readonly Step[]): object[] {
  let acquires = 0
  return steps.map((step) => {
    if (step.type !== 'acquire') return writeStep(step)
    acquires += 1
    return { ...writeAcquire(step), nth: acquires }
  })
}

/** The fields of a step are those of the type `step` in `table/turn.sql`; what is absent is null there. */
function writeStep(step: Exclude<Step, AcquireStep>): object {
  switch (step.type) {
    case 'extend':
      return { ...step, ttlMs: undefined, ttl: whole(step.ttlMs) }
    case 'cancel':
      return { ...step, explain: step.explain?.map(writeClaim) }
    case 'force': {
      const { type, resourceId: resource, fence, by, reason } = step
      return { type, resource, scope: step.scope.charAt(0), fence, forced: [by, reason] }
    }
    case 'inspect': {
      const { type, resourceId: resource, leases, waiters } = step
      return { type, resource, scope: step.scope.charAt(0), leases: whole(leases), waiters: whole(waiters) }
    }
    case 'list':
      return writeList(step)
    case 'readEvents':
      return writeReadEvents(step)
    case 'release':
    case 'handBack':
    case 'goodbye':
      return { ...step }
  }
}

interface WrittenAcquire {
  readonly type: 'acquire'
  readonly token: string
  readonly who: readonly [agentId: string, reason: string | null]
  readonly what: readonly [claims: readonly string[], metadata: string | null]
  readonly claims: readonly string[]
  readonly ttl: number
  readonly wait: number | undefined
  readonly chain: string | undefined
  readonly reentrant: true | undefined
  readonly holding_id: number | undefined
  readonly holding_token: string | undefined
  readonly max_hold: number | undefined
}

function writeAcquire(step: AcquireStep): WrittenAcquire {
  const { type, token, agentId, chain, reentrant, holding, reason, metadata } = step
  const claims = step.claims.map(writeClaim)
  return {
    type,
    token,
    who: [agentId, reason],
    what: [claims, metadata],
    claims,
    ttl: whole(step.ttlMs),
    wait: step.waitMs === null ? undefined : whole(step.waitMs),
    chain: chain ?? undefined,
    reentrant: reentrant || undefined,
    holding_id: holding?.id,
    holding_token: holding?.token,
    max_hold: step.maxHoldMs === null ? undefined : whole(step.maxHoldMs),
  }
}

function writeList({ type, prefix, agentId, minAgeMs, after }: ListStep): Record<string, unknown> {
  const [isShared, resourceId, id] = readPlace(after)
  return {
    type,
    prefix,
    prefix_end: textAfter(prefix),
    // As JSON, to be compared with what stands in `who`.
    agent: agentId === null ? undefined : writeJson(agentId),
    min_age: whole(minAgeMs),
    after_shared: isShared,
    after_resource: resourceId,
    after_id: id,
  }
}

function writeReadEvents({ type, since, limit }: ReadEventsStep): Record<string, unknown> {
  if (since === null) return { type, since_epoch: '', page: whole(limit) }
  const cursor = parseCursor(since)
  return { type, since_epoch: cursor?.epoch, since: cursor?.number, page: whole(limit) }
}

/** Where a page of a listing ended, as the answer told it. Whatever else somebody makes up is the start. */
function readPlace(place: string | null): readonly [boolean?, string?, number?] {
  const [, mode, id, resourceId] = /^([es]) ([0-9]{1,16}) (.*)$/su.exec(place ?? '') ?? []
  return id === undefined || resourceId === undefined ? [] : [mode === 's', resourceId, Number(id)]
}

function writeClaim({ resourceId, mode, scope }: Claim): string {
  return `${mode.charAt(0)}${scope.charAt(0)}${resourceId}`
}

/** Numbers are integers there; the greatest stands for what has no bound. */
function whole(value: number): number {
  return Math.min(Math.round(value), Number.MAX_SAFE_INTEGER)
}

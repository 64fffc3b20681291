/** Histories for the tests of the history checker: written by hand, or drawn from a legal run. */
import type { Operation } from '../../src/testing/index.ts'
import type { Random } from './random.ts'

type Details = Partial<Omit<Operation, 'kind' | 'lease' | 'calledAt' | 'returnedAt'>>

function operation(kind: Operation['kind'], lease: string, from: number, to: number, details: Details): Operation {
  // The lease `a2` is the second one of the client `a`.
  const client = lease.replace(/\d+$/u, '')
  return { kind, client, resource: 'r', lease, calledAt: from, returnedAt: to, outcome: 'done', ...details }
}

type Written = (lease: string, from: number, to: number, details?: Details) => Operation

export const acquire: Written = (lease, from, to, details = {}) => operation('acquire', lease, from, to, details)
export const release: Written = (lease, from, to, details = {}) => operation('release', lease, from, to, details)
export const extend: Written = (lease, from, to, details = {}) => operation('extend', lease, from, to, details)
export const expire: Written = (lease, from, to, details = {}) => operation('expire', lease, from, to, details)

/** What is drawn. */
export interface Drawing {
  readonly clients: number
  readonly operations: number
  readonly shared: boolean
  /** How far call and return may lie from the moment of the effect. */
  readonly spreadMs: number
}

/**
 * A legal run of a fair lock with fencing tokens, as its clients would have recorded it: first what took effect when,
 * then a call before and a return after each effect. Of some operations nobody learned how they ended.
 */
export function legalRun(random: Random, { clients, operations, shared, spreadMs }: Drawing): Operation[] {
  const held = new Map<string, Operation>()
  const drafts: Operation[] = []
  const freeFrom = new Map<string, number>()
  let fence = 0
  for (let at = 1; drafts.length < operations; at += 1) {
    const client = `c${random.below(clients)}x`
    if ((freeFrom.get(client) ?? 0) >= at) continue
    const mine = held.get(client)
    const calledAt = Math.max(freeFrom.get(client) ?? 0, at - spreadMs * random.next())
    const returnedAt = at + spreadMs * random.next()
    const about = { client, resource: 'r', calledAt, returnedAt, outcome: 'done' as const }
    freeFrom.set(client, returnedAt)
    if (mine === undefined) {
      const mode = shared && random.chance(0.6) ? 'shared' : 'exclusive'
      const isFree = [...held.values()].every((other) => mode === 'shared' && other.mode === 'shared')
      const asked = { ...about, kind: 'acquire' as const, lease: `${client}${drafts.length}`, mode } as const
      if (isFree) {
        const granted = { ...asked, fence: (fence += 1 + random.below(3)) }
        held.set(client, granted)
        drafts.push(granted)
      } else drafts.push({ ...asked, outcome: 'refused' })
      continue
    }
    const { lease } = mine
    const fate = random.next()
    if (fate < 0.2) drafts.push({ ...about, kind: 'extend', lease })
    else held.delete(client)
    if (fate >= 0.2 && fate < 0.35) drafts.push({ ...about, kind: 'expire', lease })
    if (fate >= 0.35) drafts.push({ ...about, kind: 'release', lease })
  }
  return drafts.flatMap((recorded) => {
    if (recorded.kind === 'expire' || recorded.outcome === 'refused' || random.chance(0.95)) return [recorded]
    const { fence: _unseen, ...rest } = recorded
    const unknown = { ...rest, outcome: 'unknown' as const }
    if (recorded.kind !== 'release') return [unknown]
    // Had it not been done, the lease would have ended by itself.
    const { client, lease, returnedAt } = recorded
    return [unknown, expire(lease, returnedAt, returnedAt + 10, { client })]
  })
}

/** The history with one result changed, so that it is most likely wrong. */
export function withOneLie(random: Random, operations: readonly Operation[]): Operation[] {
  const index = random.below(operations.length)
  return operations.map((recorded, at) => (at === index ? lie(random, recorded) : recorded))
}

function lie(random: Random, recorded: Operation): Operation {
  if (recorded.kind === 'acquire' && recorded.fence !== undefined && random.chance(0.5)) {
    return { ...recorded, fence: Math.max(0, recorded.fence - 1 - random.below(4)) }
  }
  const { fence: _told, ...rest } = recorded
  return recorded.outcome === 'done' ? { ...rest, outcome: 'refused' } : { ...rest, outcome: 'done' }
}

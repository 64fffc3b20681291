import { checkHistory, type Verdict } from '../../src/testing/history/check.ts'
import { fenced } from '../../src/testing/history/fenced.ts'
import { fifo } from '../../src/testing/history/fifo.ts'
import { sharedExclusive } from '../../src/testing/history/locks.ts'
import type { Operation } from '../../src/testing/history/operation.ts'
import type { Life, Span } from './crew.ts'
import type { Injection } from './fault.ts'
import type { LeaseRecord } from './recording.ts'

/** What the records of a run come to. */
export interface Judgement {
  readonly operations: number
  readonly grants: number
  readonly longestWaitMs: number
  readonly lowestToken: number
  readonly highestToken: number
  /** Leases of the time at which the store lost data; only their tokens were checked. */
  readonly blurred: number
  /** Grants whose place in line was checked. */
  readonly inLine: number
  readonly verdict: Verdict
  /** Two grants, one after the other, whose tokens do not rise. */
  readonly fallingTokens: readonly string[]
}

/** What is known of the run besides the records. */
export interface Circumstances {
  readonly lives: readonly Life[]
  readonly injections: readonly Injection[]
  /** How often each request has left the line without a grant, by the store's own log. */
  readonly abandoned: ReadonlyMap<string, number>
  readonly deadMs: number
}

/** Decides whether what the workers saw can have happened. */
export function judge(records: readonly LeaseRecord[], circumstances: Circumstances): Judgement {
  const all = records.flatMap(({ operations }) => operations)
  const grants = all.filter(({ kind, outcome }) => kind === 'acquire' && outcome === 'done')
  const waits = records.map(waitOf)
  const { sharp, blurred } = withoutLosses(records, circumstances.injections)
  const operations = sharp.flatMap((record) => record.operations).map((each) => placed(each, circumstances))
  const tokens = grants.flatMap(({ fence }) => (fence === undefined ? [] : [fence]))
  return {
    operations: records.reduce((sum, { recorded }) => sum + recorded, 0),
    grants: grants.length,
    longestWaitMs: max(waits),
    lowestToken: tokens.reduce((least, token) => Math.min(least, token), Infinity),
    highestToken: max(tokens),
    blurred,
    inLine: operations.filter(({ arrivedBy }) => arrivedBy !== undefined).length,
    verdict: checkHistory(fifo(fenced(sharedExclusive)), operations),
    fallingTokens: fallingTokens(grants),
  }
}

/** Until the worker knew that it was granted. */
function waitOf({ operations, lease }: LeaseRecord): number {
  const granted = operations.find((each) => each.lease === lease && each.kind === 'acquire' && each.outcome === 'done')
  return granted === undefined ? 0 : granted.returnedAt - granted.calledAt
}

function max(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0)
}

/**
 * Leaves out the leases that stood, or were asked for, while the store lost data: two of them may hold together, and
 * the token orders them. A refusal needs whoever was in its way, so it goes with them.
 */
function withoutLosses(
  records: readonly LeaseRecord[],
  injections: readonly Injection[],
): { readonly sharp: readonly LeaseRecord[]; readonly blurred: number } {
  const losses = injections.filter(({ losesData }) => losesData)
  const isTouched = (span: Span): boolean => losses.some((loss) => overlap(span, loss))
  const touched = records.filter(isTouched)
  const sharp = records.filter((record) => {
    if (isTouched(record)) return false
    return record.operations[0]?.outcome !== 'refused' || !touched.some((other) => overlap(record, other))
  })
  return { sharp, blurred: records.length - sharp.length }
}

function overlap(one: Span, other: Span): boolean {
  return one.from <= other.to && other.from <= one.to
}

/** Where a request may have lost its place and joined again, nobody knows when it arrived. */
function placed(operation: Operation, { lives, injections, abandoned, deadMs }: Circumstances): Operation {
  if (operation.arrivedBy === undefined) return operation
  const waiting = { from: operation.calledAt, to: operation.returnedAt }
  const pauses = lives.find(({ name }) => name === operation.client)?.pauses ?? []
  const outages = injections.filter(({ isOutage }) => isOutage).map(({ from, to }) => ({ from, to: to + deadMs }))
  // Who gives up leaves once.
  const leavesOfItsOwn = operation.outcome === 'refused' ? 1 : 0
  const hasRejoined = (abandoned.get(operation.lease) ?? 0) > leavesOfItsOwn
  const isDoubtful = hasRejoined || [...pauses, ...outages].some((span) => overlap(waiting, span))
  if (!isDoubtful) return operation
  const { arrivedBy: _doubtful, ...rest } = operation
  return rest
}

/** A grant that had returned before another was asked for has the lower token, whatever happened in between. */
function fallingTokens(grants: readonly Operation[]): readonly string[] {
  const returned = grants.toSorted((a, b) => a.returnedAt - b.returnedAt)
  const problems: string[] = []
  let before = 0
  let highest: Operation | undefined
  for (const grant of grants.toSorted((a, b) => a.calledAt - b.calledAt)) {
    for (let next = returned[before]; next !== undefined && next.returnedAt < grant.calledAt; next = returned[before]) {
      if ((next.fence ?? 0) > (highest?.fence ?? 0)) highest = next
      before += 1
    }
    if (highest !== undefined && (grant.fence ?? Infinity) <= (highest.fence ?? 0)) {
      problems.push(`${grant.lease} got ${grant.fence} after ${highest.lease} had got ${highest.fence}`)
    }
  }
  return problems
}

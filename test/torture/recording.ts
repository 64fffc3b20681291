import { existsSync, readFileSync } from 'node:fs'
import type { Operation } from '../../src/testing/history/operation.ts'
import type { Life } from './crew.ts'
import type { LoggedGrant } from './ledger.ts'
import type { Line } from './protocol.ts'

/** What bounds an operation that nobody saw the end of. */
export interface Bounds {
  readonly leaseMs: number
  /** A session is dead after so long without a sign of life; what it asked for may be done until then. */
  readonly deadMs: number
  /** When the run was over. */
  readonly endedAt: number
}

/** Timers may fire early by their resolution. */
const EARLY_MS = 2

/** What clocks, rounding and a busy machine may add before something is over that is over by the store's clock. */
const SLACK_MS = 2_000

/** How long a manager that is told nothing still tries in the background to undo what it has asked for. */
const UNDO_MS = 10_000

/** All that happened to one lease, as its worker wrote it down. */
export interface LeaseRecord {
  readonly lease: string
  /** How many operations were written down. */
  readonly recorded: number
  /** In this order: acquire, what showed that it was held, release, expiry, and the same of grants that did not arrive. */
  readonly operations: readonly Operation[]
  readonly from: number
  /** When it was over for certain. */
  readonly to: number
}

/**
 * Reads what a worker has written down. It may have been killed anywhere.
 *
 * @param grants of each lease that the store's log tells of: what nobody learned else
 */
export function readRecords(
  life: Life,
  bounds: Bounds,
  grants: ReadonlyMap<string, readonly LoggedGrant[]>,
): readonly LeaseRecord[] {
  const byLease = Map.groupBy(readLines(life.file), ({ lease }) => lease)
  return [...byLease].map(([lease, lines]) => new Recorded(life, lines, bounds, grants.get(lease) ?? []).record())
}

/** The last line may be torn. */
function readLines(file: string): readonly Line[] {
  if (!existsSync(file)) return []
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Line)
}

/** What was written down about one lease. */
class Recorded {
  readonly #life: Life
  readonly #lines: readonly Line[]
  readonly #bounds: Bounds
  readonly #asked: Line & { readonly is: 'call' }
  readonly #answer: (Line & { readonly is: 'return' }) | undefined
  /** What the log tells of the grant that the worker knows. */
  readonly #own: LoggedGrant | undefined
  /** Grants of which it never heard: it was dead, or stood still for so long that it was taken for dead. */
  readonly #unseen: readonly LoggedGrant[]

  constructor(life: Life, lines: readonly Line[], bounds: Bounds, grants: readonly LoggedGrant[]) {
    const asked = called(lines, 'acquire')
    if (asked === undefined) throw new Error(`${life.name} has written down something without its beginning`)
    this.#life = life
    this.#lines = lines
    this.#bounds = bounds
    this.#asked = asked
    this.#answer = returned(lines, 'acquire')
    const seen = this.#answer?.fence
    this.#own = grants.find(({ fence }) => fence === seen)
    this.#unseen = grants.filter(({ fence }) => fence !== seen)
  }

  record(): LeaseRecord {
    const operations = [...this.#seenOperations(), ...this.#unseen.flatMap((grant) => this.#unseenGrant(grant))]
    return {
      lease: this.#asked.lease,
      recorded: this.#lines.filter(({ is }) => is === 'call').length,
      operations,
      from: this.#asked.at,
      to: Math.max(this.#returnedBy, ...operations.map(({ returnedAt }) => returnedAt)),
    }
  }

  get #base(): Pick<Operation, 'client' | 'resource' | 'lease'> {
    const { resource, lease } = this.#asked
    return { client: this.#life.name, resource, lease }
  }

  /** When its worker did nothing more. */
  get #endedAt(): number {
    return this.#life.killedAt ?? this.#bounds.endedAt
  }

  /** By when the request had taken effect, if it had any. */
  get #returnedBy(): number {
    if (this.#answer === undefined) return this.#endedAt + this.#bounds.deadMs + SLACK_MS
    const { outcome, at } = this.#answer
    return outcome === 'unknown' ? at + UNDO_MS : at
  }

  #seenOperations(): readonly Operation[] {
    const { outcome = 'unknown', at = 0, fence, reliedUntil } = this.#answer ?? {}
    // Whatever came of a request that was not answered is in the log.
    if (outcome === 'unknown') return []
    const { at: askedAt, mode, waitMs = 0 } = this.#asked
    const queued = this.#lines.find(({ is }) => is === 'queued')
    // Who was granted something that did not arrive has joined the line again.
    const place = queued === undefined || this.#unseen.length > 0 ? {} : { arrivedBy: queued.at }
    const base = { ...this.#base, ...place, kind: 'acquire', mode, returnedAt: at } as const
    // Who waited is refused when the time is up, and only if somebody holds then.
    const refusedFrom = Math.min(at, askedAt + Math.max(0, waitMs - EARLY_MS))
    if (outcome === 'refused') return [{ ...base, outcome, calledAt: refusedFrom }]
    const acquire = { ...base, outcome, calledAt: askedAt, ...(fence === undefined ? {} : { fence }) }
    return [acquire, ...this.#shown(), ...this.#end(at, reliedUntil ?? askedAt)]
  }

  /** Moments at which its holder found it held. */
  #shown(): readonly Operation[] {
    return this.#lines.flatMap((line): readonly Operation[] =>
      line.is === 'held'
        ? [{ ...this.#base, kind: 'extend', calledAt: line.at, returnedAt: line.until, outcome: 'done' }]
        : [],
    )
  }

  /**
   * How the lease ended. It lasts at least as long as its holder could rely on it, and at the latest one full lease
   * after the grant was confirmed, which is before the session is dead; the log may know better.
   */
  #end(grantedAt: number, reliedUntil: number): readonly Operation[] {
    const { leaseMs, deadMs } = this.#bounds
    const { endedBy = null, wasReleased = false } = this.#own ?? {}
    const release = this.#release(reliedUntil, wasReleased ? endedBy : null)
    const isOver = release?.outcome === 'done' && release.returnedAt <= reliedUntil
    const before = release === undefined ? [] : [release]
    if (isOver) return before
    const latest = grantedAt + deadMs + leaseMs + SLACK_MS
    const returnedAt = Math.max(grantedAt, reliedUntil, Math.min(latest, endedBy ?? Infinity))
    return [...before, { ...this.#base, kind: 'expire', calledAt: reliedUntil, returnedAt, outcome: 'done' }]
  }

  /** @param loggedBy when the log told that it was released, if it did */
  #release(reliedUntil: number, loggedBy: number | null): Operation | undefined {
    const calledAt = called(this.#lines, 'release')?.at
    if (calledAt === undefined) return undefined
    const base = { ...this.#base, kind: 'release', calledAt } as const
    const { outcome = 'unknown', at = this.#endedAt } = returned(this.#lines, 'release') ?? {}
    // A holder also takes its lock for lost when its own time is up before the release was answered: that proves nothing.
    const isKnown = outcome === 'done' || (outcome === 'refused' && at <= reliedUntil)
    if (isKnown) return { ...base, outcome, returnedAt: at }
    if (loggedBy !== null) return { ...base, outcome: 'done', returnedAt: Math.max(calledAt, loggedBy) }
    return { ...base, outcome: 'unknown', returnedAt: at + UNDO_MS }
  }

  #unseenGrant({ fence, grantedBy, endedBy }: LoggedGrant): readonly Operation[] {
    const { leaseMs, deadMs } = this.#bounds
    const { at: calledAt, mode } = this.#asked
    const base = { ...this.#base, lease: `${this.#asked.lease}#${fence}`, calledAt, outcome: 'done' } as const
    const over = endedBy ?? grantedBy + deadMs + leaseMs + SLACK_MS
    return [
      { ...base, kind: 'acquire', mode, fence, returnedAt: grantedBy },
      { ...base, kind: 'expire', returnedAt: Math.max(grantedBy, over) },
    ]
  }
}

function called(lines: readonly Line[], kind: 'acquire' | 'release'): (Line & { readonly is: 'call' }) | undefined {
  return lines.find((line): line is Line & { readonly is: 'call' } => line.is === 'call' && line.kind === kind)
}

function returned(lines: readonly Line[], kind: 'acquire' | 'release'): (Line & { readonly is: 'return' }) | undefined {
  return lines.find((line): line is Line & { readonly is: 'return' } => line.is === 'return' && line.kind === kind)
}

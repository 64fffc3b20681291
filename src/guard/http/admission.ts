import { checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { type Duration, parseDuration } from '../../core/time/duration.ts'
import { FENCE_HEADER, readToken } from './header.ts'
import { type FenceKeeper, memoryKeeper } from './keeper.ts'
import { type Leave, Turns } from './turns.ts'

/** How a server guards what its requests are about. */
export interface FenceGuardOptions<Request> {
  /** Keeps the highest token of each resource. Default: a {@link memoryKeeper} of its own. */
  readonly keeper?: FenceKeeper
  /**
   * What a request is about; requests of one resource run one after the other. `null`: the request is not guarded.
   * Default: the path of its URL.
   */
  readonly resourceOf?: (request: Request) => string | null
  /**
   * How far a token may be ahead of this server's clock; one that is further is refused with 400, so that no client
   * shuts all others out. Tokens follow the lock store's clock in microseconds. Default `'1h'`.
   */
  readonly maxAhead?: Duration | 'forever'
  /** How long a request waits for those before it; then it gets 503. Default `'10s'`. */
  readonly patience?: Duration
  /** Told when the keeper fails, which a client sees as 503. Default: a process warning for the first failure. */
  readonly onError?: (error: unknown) => void
}

/** What a guarded request has entered with. It may be handed on to another guard, as a lock can. */
export interface EnteredFence {
  readonly resource: string
  readonly fencingToken: number
}

/** Why a request gets no further. */
export interface Refusal {
  readonly status: 400 | 412 | 428 | 503
  readonly headers: Readonly<Record<string, string>>
  /** Plain text, for a person. */
  readonly message: string
}

/** What is known of a request before it is admitted. */
export interface Asking {
  readonly resource: string
  /** The header; `null` where there is none. */
  readonly header: string | null
}

/** A request that may run, until it leaves. */
export interface Admitted {
  readonly fence: EnteredFence
  readonly leave: Leave
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
const OPTIONS = ['keeper', 'resourceOf', 'maxAhead', 'patience', 'onError']
const LIMITS = { minMs: 1, maxMs: 86_400_000 } as const

/** Whether a request is let through unguarded: it has no token, and by its method it only reads. */
export function isUnguarded(method: string, header: string | null): boolean {
  return header === null && SAFE_METHODS.has(method)
}

/** Decides which requests may run, and when. */
export class Admission {
  readonly #keeper: FenceKeeper
  readonly #maxAheadMs: number
  readonly #patienceMs: number
  readonly #onError: (error: unknown) => void
  readonly #turns = new Turns()

  constructor(options: FenceGuardOptions<never>, of: string) {
    checkOptions(options, OPTIONS, of)
    this.#keeper = options.keeper ?? memoryKeeper()
    this.#maxAheadMs = parseDuration(options.maxAhead ?? '1h', 'maxAhead', { ...LIMITS, words: { forever: Infinity } })
    this.#patienceMs = parseDuration(options.patience ?? '10s', 'patience', LIMITS)
    this.#onError = options.onError ?? warnOnce()
  }

  /** What is wrong with the header, which can be said before anybody waits. */
  check({ header }: Asking): Refusal | null {
    if (header === null) {
      const message = `A request that changes something needs the fencing token of its lock, in the header ${FENCE_HEADER}.`
      return { status: 428, headers: {}, message }
    }
    const token = readToken(header)
    if (token === undefined) return badRequest(`${show(header)} is no fencing token.`)
    if (token / 1_000 <= Date.now() + this.#maxAheadMs) return null
    return badRequest(`The fencing token ${token} is too far ahead of this server's clock.`)
  }

  /**
   * Waits for its turn, then enters. A turn lasts until the request before has done its work: else that could write
   * after this one has read, although its token was right when it was looked at.
   */
  async admit(asking: Asking): Promise<Admitted | Refusal> {
    const refusal = this.check(asking)
    if (refusal !== null) return refusal
    const fence = { resource: asking.resource, fencingToken: Number(asking.header) }
    const leave = await this.#turns.take(asking.resource, this.#patienceMs)
    if (leave === null) return comeAgain('Another request for the same resource has not ended yet.')
    const refused = await this.#enter(fence)
    if (refused === null) return { fence, leave }
    leave()
    return refused
  }

  async #enter({ resource, fencingToken }: EnteredFence): Promise<Refusal | null> {
    try {
      const highest = await this.#keeper.enter(resource, fencingToken)
      return highest > fencingToken ? fencedOutBy(highest) : null
    } catch (error) {
      this.#onError(error)
      return comeAgain('It cannot be told at present whether a later holder has been here.')
    }
  }
}

function fencedOutBy(highest: number): Refusal {
  const message = `A later holder has been here, with fencing token ${highest}. Nothing was done. Lock it again and read it anew.`
  return { status: 412, headers: { [FENCE_HEADER]: String(highest) }, message }
}

function badRequest(message: string): Refusal {
  return { status: 400, headers: {}, message }
}

function comeAgain(message: string): Refusal {
  return { status: 503, headers: { 'Retry-After': '1' }, message: `${message} Nothing was done. Try again.` }
}

function warnOnce(): (error: unknown) => void {
  let warned = false
  return (error) => {
    if (warned) return
    warned = true
    const detail = error instanceof Error ? (error.stack ?? error.message) : undefined
    process.emitWarning(
      'A fence keeper failed, and its requests are answered with 503; further failures are not shown. Give the guard an onError to see each.',
      { type: 'HoldfastWarning', code: 'HOLDFAST_FENCE_KEEPER', ...(detail === undefined ? {} : { detail }) },
    )
  }
}

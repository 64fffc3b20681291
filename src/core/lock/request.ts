import { InvalidRequestError } from '../errors.ts'
import type { Claim, Metadata, Mode } from '../model.ts'
import { checkOptions } from '../options.ts'
import { checkMode, parseClaims, type ResourceInput } from '../resource/resource.ts'
import { type Activity, currentActivity } from '../session/activity.ts'
import { show } from '../show.ts'
import type { AcquireStep, RequestRef } from '../store.ts'
import { type Duration, type DurationLimits, parseDuration } from '../time/duration.ts'
import type { Lock } from './lock.ts'

/** How a lock is acquired. Every option but `agentId` has a default. */
export interface AcquireOptions {
  /** Who locks; public. 1 to 256 bytes. */
  readonly agentId: string
  /** The lease ends by itself after this. Default `'30s'`; at least 100 ms, at most 24 hours. */
  readonly timeout?: Duration
  /** How long to wait in line. Default `'10s'`; `0` fails at once if it is not free; at most 24 hours, or `'forever'`. */
  readonly waitTimeout?: Duration | 0 | 'forever'
  /** For every resource that does not name its own. Default `'exclusive'`. */
  readonly mode?: Mode
  /** Why; others see it. At most 512 bytes. */
  readonly reason?: string
  /** JSON; others see it. At most 4 KiB. */
  readonly metadata?: Metadata
  /** Renews the lease until it is released: for ever, or until `maxHold` after the grant. Default false. */
  readonly autoExtend?: boolean | { readonly maxHold: Duration }
  /** Shares a lock that the same activity holds already, if it covers all that is asked for. Default false. */
  readonly reentrant?: boolean
  /** Shares this lock, if it covers all that is asked for. */
  readonly holding?: Lock
  /** Stops the waiting, nothing else. */
  readonly signal?: AbortSignal
}

/** What a lease may last, what a hold may last in all, and how long a request may wait. */
export const LEASE_LIMITS = { minMs: 100, maxMs: 86_400_000 } as const
const HOLD_LIMITS = { minMs: 100, maxMs: Infinity } as const
export const WAIT_LIMITS: DurationLimits = { minMs: 1, maxMs: 86_400_000, zero: true, words: { forever: Infinity } }

export const MAX_AGENT_BYTES = 256
export const MAX_REASON_BYTES = 512
const MAX_METADATA_BYTES = 4096

/** A checked call of `acquire`: what goes to the store, and what stays with the client. */
export interface LockRequest {
  readonly agentId: string
  readonly claims: readonly Claim[]
  /** Never longer than `maxHoldMs`. */
  readonly ttlMs: number
  /** `Infinity` waits for ever. */
  readonly waitMs: number
  readonly reason: string | null
  /** JSON text. */
  readonly metadata: string | null
  readonly chain: string | null
  readonly reentrant: boolean
  readonly holding: RequestRef | null
  readonly autoExtend: boolean
  readonly maxHoldMs: number | null
  readonly signal: AbortSignal | undefined
}

/** The least that a request can be made with. */
export const LEAST_OPTIONS = "{ agentId: 'agent-a' }"

export const ACQUIRE_OPTIONS: readonly (keyof AcquireOptions)[] = [
  'agentId',
  'timeout',
  'waitTimeout',
  'mode',
  'reason',
  'metadata',
  'autoExtend',
  'reentrant',
  'holding',
  'signal',
]

/**
 * Checks a call, once, at the edge.
 *
 * @param refOf gives the proof of ownership of a lock of this manager
 * @throws InvalidRequestError that names the value and the rule
 */
export function parseRequest(
  resources: ResourceInput | readonly ResourceInput[],
  options: AcquireOptions,
  refOf: (lock: Lock) => RequestRef,
  activity: Activity | undefined = currentActivity(),
): LockRequest {
  checkOptions(options, ACQUIRE_OPTIONS, 'acquire', LEAST_OPTIONS)
  const { timeout = '30s', waitTimeout = '10s', mode = 'exclusive', reason, autoExtend = false, holding } = options
  const maxHoldMs = typeof autoExtend === 'object' ? checkMaxHold(autoExtend) : null
  return {
    agentId: checkText(options.agentId, 'agentId', 1, MAX_AGENT_BYTES),
    claims: parseClaims(resources, checkMode(mode)),
    ttlMs: Math.min(parseDuration(timeout, 'timeout', LEASE_LIMITS), maxHoldMs ?? Infinity),
    waitMs: parseDuration(waitTimeout, 'waitTimeout', WAIT_LIMITS),
    reason: reason === undefined ? null : checkText(reason, 'reason', 0, MAX_REASON_BYTES),
    metadata: checkMetadata(options.metadata),
    chain: activity?.chain ?? null,
    reentrant: checkBoolean(options.reentrant ?? false, 'reentrant'),
    holding: holding === undefined ? null : refOf(holding),
    autoExtend: typeof autoExtend === 'object' || checkBoolean(autoExtend, 'autoExtend'),
    maxHoldMs,
    signal: checkSignal(options.signal),
  }
}

/** The step that asks for it, with the time that is left to wait. */
export function acquireStep(request: LockRequest, token: string, waitMs: number): AcquireStep {
  const { agentId, claims, ttlMs, chain, reentrant, holding, reason, metadata, maxHoldMs } = request
  return {
    type: 'acquire',
    token,
    agentId,
    claims,
    ttlMs,
    waitMs: waitMs === Infinity ? null : waitMs,
    chain,
    reentrant,
    holding,
    reason,
    metadata,
    maxHoldMs,
  }
}

/** @throws InvalidRequestError unless the value is text of such a length, in bytes of UTF-8 */
export function checkText(value: unknown, what: string, minBytes: number, maxBytes: number): string {
  if (typeof value !== 'string') throw new InvalidRequestError(`${what}: ${show(value)} is not a string.`)
  if (!value.isWellFormed()) throw new InvalidRequestError(`${what}: ${show(value)} is not well-formed Unicode.`)
  const bytes = Buffer.byteLength(value)
  if (bytes < minBytes) throw new InvalidRequestError(`${what} is empty: at least ${minBytes} byte is needed.`)
  if (bytes <= maxBytes) return value
  throw new InvalidRequestError(`${what}: ${show(value)} has ${bytes} bytes: the limit is ${maxBytes}.`)
}

function checkMetadata(metadata: unknown): string | null {
  if (metadata === undefined) return null
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new InvalidRequestError(`metadata: ${show(metadata)} is not an object.`)
  }
  const json = asJson(metadata)
  if (json?.startsWith('{') !== true) {
    throw new InvalidRequestError(`metadata: ${show(metadata)} is not an object when it is written as JSON.`)
  }
  return checkText(json, 'metadata', 0, MAX_METADATA_BYTES)
}

function checkMaxHold(autoExtend: { readonly maxHold: Duration }): number {
  checkOptions(autoExtend, ['maxHold'], 'autoExtend')
  return parseDuration(autoExtend.maxHold, 'autoExtend.maxHold', HOLD_LIMITS)
}

function asJson(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new InvalidRequestError('metadata cannot be written as JSON: it refers to itself, or has a BigInt.', {
      cause,
    })
  }
}

/** @throws InvalidRequestError unless the value is true or false */
export function checkBoolean(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value
  throw new InvalidRequestError(`${what}: ${show(value)} is neither true nor false.`)
}

/** @throws InvalidRequestError unless the value is a signal, or left out */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new InvalidRequestError(`signal: ${show(signal)} is not an AbortSignal.`)
}

import { createHash } from 'node:crypto'
import { UsageError } from './failure.ts'

/** All that it takes to extend or release a lock from another process. Whoever has it owns the lock. */
export interface Handle {
  /** URL of the store, without credentials. */
  readonly store: string
  readonly namespace: string
  readonly id: number
  readonly token: string
  readonly fencingToken: number
  /** What it was acquired for: an extension's default. */
  readonly ttlMs: number
  /** What is locked, for messages; of several resources the first. */
  readonly resource: string
  /** How many more resources the same request has locked. */
  readonly others: number
}

/** The version of the form. */
const PREFIX = 'hf1_'
const SUM_LENGTH = 8
const FORM = /^hf\d+_[\w-]+$/
/** Handles, and what is left of one: its end was cut off, or its beginning, or a quote was copied with it. */
const LIKENESS = /^["'\s]*hf\d+_|^[\w-]{100,}$/

/** One word of letters, digits, `-` and `_`, which needs no quoting anywhere. */
export function formatHandle(handle: Handle): string {
  const { store, namespace, id, token, fencingToken, ttlMs, resource, others } = handle
  const payload = Buffer.from(
    JSON.stringify([store, namespace, id, token, fencingToken, ttlMs, resource, others]),
  ).toString('base64url')
  return `${PREFIX}${sumOf(payload)}${payload}`
}

/** Whether a text is meant to be a handle rather than a resource. A path that looks like one is written `./NAME`. */
export function looksLikeHandle(text: string): boolean {
  return LIKENESS.test(text)
}

/** @throws UsageError which does not repeat the text: it may be most of a secret */
export function parseHandle(text: string): Handle {
  if (!looksLikeHandle(text)) throw new UsageError('This is not a handle: give what holdfast acquire printed.')
  if (FORM.test(text) && !text.startsWith(PREFIX)) {
    throw new UsageError('This handle was made by another version of holdfast, which can still release it.')
  }
  const payload = text.slice(PREFIX.length + SUM_LENGTH)
  const fields = sumOf(payload) === text.slice(PREFIX.length, PREFIX.length + SUM_LENGTH) ? decode(payload) : undefined
  if (fields === undefined) {
    throw new UsageError(
      'This looks like a damaged handle: copy all of what holdfast acquire printed. If it is a file, put ./ in front.',
    )
  }
  return fields
}

function decode(payload: string): Handle | undefined {
  try {
    const fields: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    if (!isFields(fields)) return undefined
    const [store, namespace, id, token, fencingToken, ttlMs, resource, others] = fields
    return { store, namespace, id, token, fencingToken, ttlMs, resource, others }
  } catch {
    return undefined
  }
}

type Fields = readonly [string, string, number, string, number, number, string, number]
const TYPES = ['string', 'string', 'number', 'string', 'number', 'number', 'string', 'number']

function isFields(value: unknown): value is Fields {
  return Array.isArray(value) && value.length === TYPES.length && TYPES.every((type, at) => typeof value[at] === type)
}

/** Tells a handle that was cut off or mistyped; it keeps nothing secret. */
function sumOf(payload: string): string {
  return createHash('sha256').update(payload).digest('base64url').slice(0, SUM_LENGTH)
}

/** What a handle is about, in a message. */
export function handleText({ resource, others }: Handle): string {
  return others === 0 ? resource : `${resource} (with ${others} more)`
}

import { createHash } from 'node:crypto'

/** What all keys of this store begin with, unless the user says otherwise. */
export const DEFAULT_PREFIX = 'holdfast'

/** What a namespace's keys are called behind its own name; `table/keys.lua` says what they hold. */
const PARTS = ['rows', 'held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous', 'log'] as const

/** The names of a namespace's keys and channels. */
export interface Layout {
  /** The key that holds the namespace's rows, and leads to its slot in a Cluster. The table derives the others from it. */
  readonly key: string
  /** All of them, that one first. */
  readonly keys: readonly string[]
  /** Published to whenever the event log has grown. */
  readonly growth: string
  /** A session's own channel. Its id is a secret and the names of channels can be listed, so the name does not tell it. */
  channelOf(session: string): string
}

export function layoutOf(namespace: string, prefix: string = DEFAULT_PREFIX): Layout {
  // The braces make all keys of the namespace share a slot; one inside of the name would end them too early.
  const base = `${prefix}:{${encodeURIComponent(namespace)}}:`
  return {
    key: `${base}rows`,
    keys: PARTS.map((part) => `${base}${part}`),
    growth: `${base}growth`,
    channelOf: (session) => `${base}s:${createHash('sha1').update(session).digest('hex')}`,
  }
}

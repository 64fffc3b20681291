/** What a torture run and its workers say to each other, and what workers write down. */

/** What a worker does under a lock. */
export type Task = 'guarded' | 'careless' | 'set' | 'look' | 'try'

/** Who a worker is, and with whom it competes. Given as JSON on its command line. */
export interface Assignment {
  readonly name: string
  /** The store, as the worker reaches it. */
  readonly store: string
  readonly namespace: string
  /** Where it writes down what it does. */
  readonly file: string
  readonly seed: number
  readonly leaseMs: number
  readonly heartbeatMs: number
}

/** From a worker. A `call` is answered with a {@link Reply} of the same number. */
export type Said =
  | { readonly says: 'ready' }
  /** It asks for a lock, stands in line for it, holds it, or none of these. */
  | { readonly says: 'asks' | 'waits' | 'holds'; readonly resource: string }
  | { readonly says: 'rests' }
  | { readonly says: 'failed'; readonly error: string }
  | { readonly says: 'call'; readonly call: number; readonly request: DataRequest }

/** To a worker. */
export type Told = { readonly tells: 'stop' } | Reply

export interface Reply {
  readonly tells: 'reply'
  readonly call: number
  readonly value: DataReply
}

/** What is asked of the data that the locks protect. `token` null: without the guard. */
export type DataRequest =
  | { readonly asks: 'enter'; readonly data: string; readonly token: number }
  | { readonly asks: 'read'; readonly data: string }
  | { readonly asks: 'write'; readonly data: string; readonly token: number | null; readonly page: Page }

/** A part of the data: a number, or a set that is full at some size and followed by the next page. */
export interface Page {
  readonly number: number
  readonly value: number
  readonly elements: readonly string[]
}

/** `null`: refused, because a later holder has been here. */
export type DataReply = Page | null

/** A line of a worker's file. Times are milliseconds of the machine's monotonic clock. */
export type Line =
  | {
      readonly is: 'call'
      readonly at: number
      readonly kind: 'acquire' | 'release'
      readonly lease: string
      readonly resource: string
      readonly mode: 'exclusive' | 'shared'
      /** Of an acquire: how long it stands in line at most. */
      readonly waitMs?: number
    }
  | { readonly is: 'queued'; readonly at: number; readonly lease: string }
  | {
      readonly is: 'return'
      readonly at: number
      readonly kind: 'acquire' | 'release'
      readonly lease: string
      readonly outcome: 'done' | 'refused' | 'unknown'
      readonly fence?: number
      /** Until when the holder could rely on it; absent: it came too late to be of use. */
      readonly reliedUntil?: number
      /** The code of the error. */
      readonly code?: string
    }
  /** The holder found that it still held the lock, at some moment between these. */
  | { readonly is: 'held'; readonly at: number; readonly until: number; readonly lease: string }

/** One monotonic clock for all processes of the machine. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export const RESOURCES: Readonly<Record<Task, string>> = {
  guarded: 'torture:counter',
  careless: 'torture:careless',
  set: 'torture:set',
  look: 'torture:counter',
  try: 'torture:set',
}

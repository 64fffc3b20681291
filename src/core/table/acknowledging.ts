import type { Batch, Message } from '../store.ts'
import type { SessionRow } from './storage.ts'
import type { Turn } from './turn.ts'

/** What a batch acknowledges for the first time. */
export interface Acknowledged {
  /** As it was posted. */
  readonly messages: readonly Message[]
  /** The session has received all of them, and not others under these numbers. */
  readonly areReceived: boolean
}

/**
 * Compares what the session has received with what was posted to it. The two differ where the store has gone back and
 * then posted something else, of which the session has not heard: a grant whose token is another one, or a loss.
 */
export function acknowledged({ storage }: Turn, batch: Batch, before: SessionRow | undefined): Acknowledged {
  const count = before === undefined ? 0 : Math.min(batch.acked, before.posted) - before.acked
  if (before === undefined || count <= 0) return { messages: [], areReceived: true }
  const messages = storage.outbox.after(batch.session, before.acked, count)
  const received = new Map(batch.received.map((message) => [message.number, message]))
  return { messages, areReceived: messages.every((message) => isSame(message, received.get(message.number))) }
}

/** Whether two messages of one number tell the same. */
export function isSame(one: Message, other: Message | undefined): boolean {
  return one.type === other?.type && one.id === other.id && fenceOf(one) === fenceOf(other)
}

function fenceOf(message: Message): number | undefined {
  return message.type === 'granted' ? message.fence : undefined
}

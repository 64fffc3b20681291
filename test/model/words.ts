import type { LeaseView, LoggedEvent, Message, Outcome } from '../../src/core/store.ts'
import { describe } from './naive.ts'

/** What the store said, in the words of the naive model. */

export function outcomeInWords(outcome: Outcome): string {
  switch (outcome.type) {
    case 'granted':
    case 'entered':
      return describe(grantInWords(outcome))
    case 'waiting':
      return describe({ type: 'waiting', id: outcome.id })
    case 'busy':
      return describe({ type: 'busy', holders: fencesOf(outcome.holders), ahead: outcome.ahead })
    case 'deadlock':
      return describe({ type: 'deadlock' })
    case 'extended':
      return describe({ type: 'extended', expiresAt: outcome.expiresAt })
    case 'released':
      return describe({ released: outcome.released, shared: outcome.shared, heldMs: outcome.heldMs })
    case 'cancelled':
      return describe({ holders: fencesOf(outcome.holders), ahead: outcome.ahead, waitedMs: outcome.waitedMs })
    case 'forced':
      return describe({ ended: fencesOf(outcome.ended) })
    case 'inspected':
      return describe({
        leases: fencesOf(outcome.leases),
        waiting: outcome.waiting.map(({ agentId }) => agentId),
        previous: outcome.previous === null ? null : describe({ ...outcome.previous }),
      })
    case 'listed':
      return describe({ leases: outcome.leases.map(({ claim, fence }) => describe({ ...claim, fence })).toSorted() })
    case 'gone':
    case 'again':
    case 'done':
    case 'events':
      return describe({ type: outcome.type })
  }
}

export function messageInWords(message: Message): string {
  switch (message.type) {
    case 'granted':
      return describe(grantInWords(message))
    case 'lost':
      return describe({ type: 'lost', id: message.id, loss: message.loss, heldMs: message.heldMs })
    case 'deadlock':
      return describe({ type: 'deadlock', id: message.id })
    case 'wanted':
      return describe({ type: 'wanted', id: message.id, waiters: message.waiters })
  }
}

export function eventInWords({ type, agentId, claims, fence, heldMs, waitedMs, forced }: LoggedEvent): string {
  return describe({ type, agentId, claims, fence, heldMs, waitedMs, forced })
}

function grantInWords(
  grant: Extract<Message, { readonly type: 'granted' }> | Extract<Outcome, { readonly type: 'granted' | 'entered' }>,
): Record<string, unknown> {
  const { type, id, fence, expiresAt, waiters, waitedMs } = grant
  return {
    type,
    id,
    fence,
    expiresAt,
    previous: grant.previous.map((view) => describe({ ...view })),
    waiters,
    waitedMs,
  }
}

function fencesOf(leases: readonly LeaseView[]): number[] {
  return leases.map(({ fence }) => fence).toSorted((a, b) => a - b)
}

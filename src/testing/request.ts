import type { AcquireStep } from '../core/store.ts'

/** Half a minute, and waits for ever if it must. */
export function requestFor(claims: AcquireStep['claims'], agentId: string, token: string): AcquireStep {
  return {
    type: 'acquire',
    token,
    agentId,
    claims,
    ttlMs: 30_000,
    waitMs: null,
    chain: null,
    reentrant: false,
    holding: null,
    reason: null,
    metadata: null,
    maxHoldMs: null,
  }
}

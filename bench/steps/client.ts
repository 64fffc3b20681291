import { randomBytes } from 'node:crypto'
import type { LockStore } from 'holdfast'

type Batch = Parameters<LockStore['apply']>[0]
type Answer = Awaited<ReturnType<LockStore['apply']>>
export type Step = Batch['steps'][number]
export type Outcome = NonNullable<Answer['outcomes']>[number]
type Granted = Extract<Answer['messages'][number], { readonly type: 'granted' }>

/** A session at a store, without the library above it: what one step costs. */
export class StepClient {
  readonly #store: LockStore
  readonly #session = newToken()
  #number = 0
  #acked = 0
  #received: Answer['messages'] = []
  #epoch: string | null = null
  /** Waiting requests that were granted, as they were told. */
  readonly granted: Granted[] = []

  constructor(store: LockStore) {
    this.#store = store
  }

  async apply(steps: readonly Step[]): Promise<readonly Outcome[]> {
    this.#number += 1
    const answer = await this.#store.apply({
      session: this.#session,
      number: this.#number,
      epoch: this.#epoch,
      acked: this.#acked,
      received: this.#received,
      deadMs: 3_600_000,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps,
    })
    this.#epoch = answer.epoch
    this.#received = answer.messages
    for (const message of answer.messages) {
      if (message.number <= this.#acked) continue
      this.#acked = message.number
      if (message.type === 'granted') this.granted.push(message)
    }
    return answer.outcomes ?? []
  }

  /** One step, one batch. */
  async step(step: Step): Promise<Outcome> {
    const [outcome] = await this.apply([step])
    if (outcome === undefined) throw new Error(`no outcome for ${step.type}`)
    return outcome
  }
}

export function acquireStep(resourceId: string, token: string): Step {
  return {
    type: 'acquire',
    token,
    agentId: 'bench',
    claims: [{ resourceId, scope: 'node', mode: 'exclusive' }],
    ttlMs: 3_600_000,
    waitMs: null,
    chain: null,
    reentrant: false,
    holding: null,
    reason: null,
    metadata: null,
    maxHoldMs: null,
  }
}

export function newToken(): string {
  return randomBytes(16).toString('base64url')
}

/** The request that a step made. */
export function idOf(outcome: Outcome): number {
  if (outcome.type === 'granted' || outcome.type === 'waiting') return outcome.id
  throw new Error(`neither granted nor in line, but ${outcome.type}`)
}

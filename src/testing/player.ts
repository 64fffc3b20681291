import type { Answer, Batch, Message, RequestRef, Step } from '../core/store.ts'
import { ACTORS, DEAD_MS, type Deed, type Move } from './histories.ts'

/** A request as the sessions of a history know it. */
interface KnownRequest extends RequestRef {
  readonly fence: number
}

interface Played {
  readonly session: string
  readonly agentId: string
  number: number
  answered: number
  last: Batch | undefined
  readonly messages: Message[]
  acked: number
}

/** Turns the moves of a history into batches, with what the answers so far have told. */
export class Player {
  readonly actors: readonly Played[] = Array.from({ length: ACTORS }, (_, index) => ({
    session: `${index}`.repeat(32),
    agentId: `agent-${index}`,
    number: 0,
    answered: 0,
    last: undefined,
    messages: [],
    acked: 0,
  }))
  readonly #known: KnownRequest[] = []
  #tokens = 0

  /** The batch of a move; `undefined` where there is nothing to send. */
  batchOf(move: Move): Batch | undefined {
    if (move.move === 'advance') return undefined
    const actor = this.#actor(move.actor)
    if (move.move === 'repeat') return actor.last
    if (move.move === 'late')
      return actor.number < 2 ? undefined : { ...this.#batch(actor, []), number: actor.number - 1 }
    if (move.move === 'forgotten') return this.#forgotten(actor)
    if (move.move === 'misled') return this.#misled(actor)
    actor.number += 1
    if (move.acks) actor.acked = actor.messages.at(-1)?.number ?? 0
    const steps = move.deeds.flatMap((deed) => this.#step(deed, actor.agentId) ?? [])
    actor.last = this.#batch(actor, steps)
    return actor.last
  }

  /** A batch that does nothing but let a session be heard of. */
  heartbeat(index: number): Batch {
    const actor = this.#actor(index)
    actor.number += 1
    actor.acked = actor.messages.at(-1)?.number ?? 0
    actor.last = this.#batch(actor, [])
    return actor.last
  }

  /** Takes in what an answer tells; returns the messages that are new. */
  learn(batch: Batch, { outcomes, messages }: Answer): readonly Message[] {
    const actor = this.actors.find(({ session }) => session === batch.session)
    if (actor === undefined) return []
    actor.answered = batch.number
    const fresh = messages.filter(({ number }) => number > (actor.messages.at(-1)?.number ?? 0))
    actor.messages.push(...fresh)
    for (const message of fresh) {
      const known = this.#known.findLast(({ id }) => id === message.id)
      if (message.type === 'granted' && known !== undefined) this.#known.push({ ...known, fence: message.fence })
    }
    batch.steps.forEach((step, index) => {
      const outcome = outcomes?.[index]
      if (step.type !== 'acquire' || outcome === undefined) return
      if (outcome.type === 'waiting') this.#known.push({ id: outcome.id, token: step.token, fence: 0 })
      if (outcome.type === 'granted' || outcome.type === 'entered') {
        this.#known.push({ id: outcome.id, token: step.token, fence: outcome.fence })
      }
    })
    return fresh
  }

  /** What a session sends to a store that was set back to before its last batch. */
  #forgotten(actor: Played): Batch {
    actor.number += 2
    actor.last = { ...this.#batch(actor, []), answered: actor.number - 1 }
    return actor.last
  }

  /** What a session sends that has received another message under the last number. */
  #misled(actor: Played): Batch | undefined {
    const last = actor.messages.at(-1)
    if (last === undefined) return undefined
    actor.number += 1
    const received = [...actor.messages.slice(0, -1), { ...last, id: last.id + 1000 }]
    actor.last = { ...this.#batch(actor, []), acked: last.number, received }
    return actor.last
  }

  #actor(index: number): Played {
    const actor = this.actors[index]
    if (actor === undefined) throw new Error(`a history has no actor ${index}`)
    return actor
  }

  #batch({ session, number, messages, acked, answered }: Played, steps: readonly Step[]): Batch {
    const received = messages.filter((message) => message.number <= acked)
    return { session, number, epoch: null, acked, received, deadMs: DEAD_MS, floor: 0, answered, lastId: 0, steps }
  }

  #pick(pick: number): KnownRequest | undefined {
    return this.#known.at(-1 - pick)
  }

  #step(deed: Deed, agentId: string): Step | undefined {
    if (deed.do === 'acquire') {
      const { do: type, holding, ...asking } = deed
      this.#tokens += 1
      const held = holding === null ? undefined : this.#pick(holding)
      const token = `token-${this.#tokens}`
      return { type, agentId, token, reason: null, metadata: null, ...asking, holding: held ?? null }
    }
    if (deed.do === 'inspect')
      return { type: 'inspect', resourceId: deed.claim.resourceId, scope: deed.claim.scope, leases: 100, waiters: 100 }
    if (deed.do === 'list') return { type: 'list', prefix: '', agentId: null, minAgeMs: 0, after: null }
    if (deed.do === 'goodbye') return { type: 'goodbye' }
    if (deed.do === 'force') {
      const fence = deed.pick === null ? null : (this.#pick(deed.pick)?.fence ?? 0)
      const { resourceId, scope } = deed.claim
      return { type: 'force', resourceId, scope, fence, by: agentId, reason: 'test' }
    }
    const known = this.#pick(deed.pick)
    return known === undefined ? undefined : ownStep(deed, known)
  }
}

function ownStep(
  deed: Extract<Deed, { readonly do: 'release' | 'extend' | 'cancel' | 'handBack' }>,
  { id, token, fence }: KnownRequest,
): Step {
  switch (deed.do) {
    case 'release':
      return { type: 'release', id, token, expired: deed.expired }
    case 'extend':
      return {
        type: 'extend',
        id,
        token,
        fence: fence === 0 ? null : fence,
        ttlMs: deed.ttlMs,
        automatic: deed.automatic,
      }
    case 'cancel':
      return {
        type: 'cancel',
        id,
        token,
        explain: deed.explained ? [{ resourceId: 'r:a', mode: 'exclusive', scope: 'tree' }] : null,
      }
    case 'handBack':
      return { type: 'handBack', id, fence }
  }
}

import type { Batch, Message, Outcome, Step } from '../../src/core/store.ts'
import type { Fault } from './plan.ts'
import type { Executed } from './store-node.ts'

/** Names sessions in the order in which they appear, and says in one line what a batch did. */
export class Narrator {
  readonly #names = new Map<string, string>()

  batch(batch: Batch, { answer, posts }: Executed): string {
    const steps = batch.steps.map((step, index) => `${stepText(step)} → ${outcomeText(answer.outcomes?.[index])}`)
    const notes = [
      answer.fresh ? 'fresh' : '',
      answer.more ? 'more' : '',
      answer.messages.length > 0 ? `tells ${answer.messages.map(messageText).join(', ')}` : '',
      ...[...posts].map(
        ([session, messages]) => `pushes to ${this.#name(session)}: ${messages.map(messageText).join(', ')}`,
      ),
    ].filter((note) => note !== '')
    const head = `${this.#name(batch.session)} #${batch.number} acked ${batch.acked} at ${answer.now}`
    return [head, ...(steps.length === 0 ? ['beat'] : steps), ...notes].join(' | ')
  }

  #name(session: string): string {
    const known = this.#names.get(session) ?? `s${this.#names.size + 1}`
    this.#names.set(session, known)
    return known
  }
}

export function faultText(fault: Fault): string {
  const details = Object.entries(fault).filter(([name]) => name !== 'kind' && name !== 'atMs')
  return `${fault.kind} (${details.map(([name, value]) => `${name} ${value}`).join(', ')})`
}

function stepText(step: Step): string {
  if (step.type === 'acquire') return `acquire ${step.reason ?? step.agentId}`
  return 'id' in step ? `${step.type} ${step.id}` : step.type
}

function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'nothing'
  if (outcome.type === 'granted' || outcome.type === 'entered') {
    return `${outcome.type} ${outcome.id} (${outcome.fence}) until ${outcome.expiresAt}`
  }
  if (outcome.type === 'waiting') return `waiting ${outcome.id}`
  if (outcome.type === 'released') return outcome.released ? 'released' : 'not released'
  if (outcome.type === 'extended') return `extended until ${outcome.expiresAt}`
  return outcome.type
}

function messageText(message: Message): string {
  const what = message.type === 'granted' ? `granted ${message.id} (${message.fence})` : `${message.type} ${message.id}`
  return `${message.number}: ${what}`
}

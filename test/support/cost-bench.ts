import { parseClaims, type ResourceInput } from '../../src/core/resource/resource.ts'
import type { AcquireStep, Answer, Batch, RequestRef, Step } from '../../src/core/store.ts'
import { requestFor } from '../../src/testing/request.ts'

const HOUR_MS = 3_600_000

/** What a session has said and heard so far. */
interface Talk {
  number: number
  acked: number
  received: Answer['messages']
}

export interface Measured<Cost> {
  readonly cost: Cost
  readonly answer: Answer
}

/** A namespace to which sessions send batches, of which it is counted what they cost. */
export abstract class CostBench<Cost> {
  /** Steps in one batch while a namespace is filled. */
  protected readonly batchSize: number = 500
  readonly #talks = new Map<string, Talk>()
  #tokens = 0

  protected abstract apply(batch: Batch): Promise<Answer>
  protected abstract measure(batch: Batch): Promise<Measured<Cost>>

  /** A request for an hour's exclusive lease, which waits for ever. */
  ask(resources: ResourceInput | readonly ResourceInput[], change: Partial<AcquireStep> = {}): AcquireStep {
    this.#tokens += 1
    const request = requestFor(parseClaims(resources, 'exclusive'), 'a', `t${this.#tokens}`)
    return { ...request, ttlMs: HOUR_MS, ...change }
  }

  async send(session: string, steps: readonly Step[] = [], deadMs: number = HOUR_MS): Promise<Answer> {
    return this.#hear(session, await this.apply(this.#batch(session, steps, deadMs)))
  }

  /** What these steps cost in a batch of their own. */
  async cost(session: string, steps: readonly Step[] = []): Promise<Cost> {
    const { cost, answer } = await this.measure(this.#batch(session, steps, HOUR_MS))
    this.#hear(session, answer)
    return cost
  }

  /** The same for a request, which is granted or joins the line. */
  async costOfTaking(session: string, step: AcquireStep): Promise<{ readonly cost: Cost; readonly ref: RequestRef }> {
    const { cost, answer } = await this.measure(this.#batch(session, [step], HOUR_MS))
    const [ref] = refsOf([step], this.#hear(session, answer))
    if (ref === undefined) throw new Error('it was neither granted nor put in line')
    return { cost, ref }
  }

  /** Takes a resource, or stands in line for it. */
  async take(session: string, step: AcquireStep): Promise<RequestRef> {
    const [ref] = await this.crowd(session, 1, () => step)
    if (ref === undefined) throw new Error('it was neither granted nor put in line')
    return ref
  }

  /** Sends many requests; those that were granted or stand in line. */
  async crowd(
    session: string,
    count: number,
    make: (index: number) => AcquireStep,
    deadMs?: number,
  ): Promise<RequestRef[]> {
    const refs: RequestRef[] = []
    for (let sent = 0; sent < count; sent += this.batchSize) {
      const steps = Array.from({ length: Math.min(this.batchSize, count - sent) }, (_, index) => make(sent + index))
      refs.push(...refsOf(steps, await this.send(session, steps, deadMs)))
    }
    return refs
  }

  /** Sends batches until nothing is left to do; says how many it took. */
  async settle(session: string): Promise<number> {
    for (let batches = 1; ; batches += 1) if (!(await this.send(session)).more) return batches
  }

  #batch(session: string, steps: readonly Step[], deadMs: number): Batch {
    const talk = this.#talks.get(session) ?? { number: 0, acked: 0, received: [] }
    this.#talks.set(session, talk)
    const answered = talk.number
    talk.number += 1
    return { session, epoch: null, ...talk, deadMs, floor: 0, answered, lastId: 0, steps }
  }

  #hear(session: string, answer: Answer): Answer {
    const talk = this.#talks.get(session)
    if (talk === undefined) return answer
    talk.received = answer.messages
    talk.acked = answer.messages.at(-1)?.number ?? talk.acked
    return answer
  }
}

export function release({ id, token }: RequestRef): Step {
  return { type: 'release', id, token, expired: false }
}

/** What the usual steps cost among so many leases and waiters that have nothing to do with them. */
export async function usualCosts<Cost>(
  bench: CostBench<Cost>,
  size: number,
  hasTrees: boolean,
): Promise<Record<string, Cost>> {
  await bench.crowd('holders', size, (index) => bench.ask(`file:p/${index}/x`, { chain: `h${index}` }))
  const waiter = (index: number): string => (hasTrees && index % 10 === 0 ? `file:p/${index}/**` : `file:p/${index}/x`)
  await bench.crowd('waiters', size, (index) => bench.ask(waiter(index), { chain: `w${index}` }))
  for (const session of ['holders', 'waiters', 'a', 'b']) await bench.settle(session)
  const { cost: acquire, ref: lock } = await bench.costOfTaking('a', bench.ask('file:q/x', { chain: 'c' }))
  const extension = { type: 'extend', ...lock, fence: null, ttlMs: 2 * HOUR_MS, automatic: true } as const
  const busy = await bench.cost('b', [bench.ask('file:q/x', { waitMs: 0 })])
  const extend = await bench.cost('a', [extension])
  const { cost: join, ref: place } = await bench.costOfTaking('b', bench.ask('file:q/x', { chain: 'd' }))
  return {
    acquire,
    busy,
    extend,
    join,
    heartbeat: await bench.cost('b'),
    'hand over': await bench.cost('a', [release(lock)]),
    confirm: await bench.cost('b'),
    release: await bench.cost('b', [release(place)]),
    tree: await bench.cost('a', [bench.ask('file:q/**')]),
    inspect: await bench.cost('a', [
      { type: 'inspect', resourceId: 'file:q/x', scope: 'node', leases: 10, waiters: 10 },
    ]),
    list: await bench.cost('a', [{ type: 'list', prefix: 'file:q/', agentId: null, minAgeMs: 0, after: null }]),
  }
}

/** What is done with a line of so many waiters costs. */
export async function lineCosts<Cost>(bench: CostBench<Cost>, size: number): Promise<Record<string, Cost>> {
  const lock = await bench.take('holder', bench.ask('file:x'))
  const places = await bench.crowd('line', size, () => bench.ask('file:x'))
  const middle = places[size / 2]
  if (middle === undefined) throw new Error('the line is empty')
  await bench.settle('line')
  await bench.settle('late')
  return {
    join: await bench.cost('late', [bench.ask('file:x')]),
    busy: await bench.cost('late', [bench.ask('file:x', { waitMs: 0 })]),
    leave: await bench.cost('line', [{ type: 'cancel', ...middle, explain: null }]),
    wait: await bench.cost('line'),
    'hand over': await bench.cost('holder', [release(lock)]),
    confirm: await bench.cost('line'),
  }
}

function refsOf(steps: readonly AcquireStep[], { outcomes }: Answer): RequestRef[] {
  return steps.flatMap(({ token }, index) => {
    const outcome = outcomes?.[index]
    const isTaken = outcome?.type === 'granted' || outcome?.type === 'waiting'
    return isTaken ? [{ id: outcome.id, token }] : []
  })
}

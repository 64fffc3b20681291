import { isDeepStrictEqual } from 'node:util'
import type { Answer, Batch, LeaseView, LockStore, Outcome } from '../core/store.ts'
import type { MakeHarness, StoreHarness } from './harness.ts'
import { histories, type History } from './histories.ts'
import { Player } from './player.ts'
import { expect, fc } from './test-tools.ts'

/** How much is compared. */
export interface ComparisonOptions {
  /** Default: 100 random histories. */
  readonly runs?: number
  /** The longest history. Default: 40 moves. */
  readonly moves?: number
  /** Default: another one each time. */
  readonly seed?: number
  /** Histories that are played before the random ones, for example those that once showed a bug. */
  readonly histories?: readonly History[]
}

/**
 * Plays random histories against a reference and a candidate, both with driven clocks, and expects the same answers
 * step by step: outcomes, messages, expiries, and the events in their order.
 */
export async function compareStores(
  reference: MakeHarness,
  candidate: MakeHarness,
  options: ComparisonOptions = {},
): Promise<void> {
  for (const history of options.histories ?? []) await playBoth(reference, candidate, history)
  await fc.assert(
    fc.asyncProperty(histories(options.moves ?? 40), async (history) => playBoth(reference, candidate, history)),
    { numRuns: options.runs ?? 100, ...(options.seed !== undefined && { seed: options.seed }) },
  )
}

async function playBoth(reference: MakeHarness, candidate: MakeHarness, history: History): Promise<void> {
  const opened = await Promise.all([reference, candidate].map(async (make) => Side.open(await make({ limits: {} }))))
  const [expected, found] = opened
  if (expected === undefined || found === undefined) throw new Error('two stores are compared')
  try {
    await play(history, expected, found)
  } finally {
    for (const side of opened) await side.close()
  }
}

async function play(history: History, expected: Side, found: Side): Promise<void> {
  const player = new Player()
  for (const move of history) {
    if (move.move === 'advance') {
      await expected.advance(move.ms)
      await found.advance(move.ms)
      continue
    }
    const batch = player.batchOf(move)
    if (batch === undefined) continue
    const [first, second] = [await expected.send(batch), await found.send(batch)]
    expectSame(second.plain, first.plain)
    const isNew = move.move !== 'repeat' && move.move !== 'late'
    if (first.answer !== undefined && isNew) player.learn(batch, first.answer)
    expectSame((await found.look()).plain, (await expected.look()).plain)
  }
}

/** `toEqual` writes a readable difference, but is too slow to be asked when there is none. */
function expectSame(found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected)
}

interface Said {
  readonly answer: Answer | undefined
  /** What can be compared between stores. */
  readonly plain: unknown
}

/** One of the two stores. */
class Side {
  readonly #harness: StoreHarness
  readonly #store: LockStore
  #cursor: string | null = null

  private constructor(harness: StoreHarness, store: LockStore) {
    this.#harness = harness
    this.#store = store
  }

  static async open(harness: StoreHarness): Promise<Side> {
    const side = new Side(harness, await harness.connect())
    await side.look()
    return side
  }

  async advance(ms: number): Promise<void> {
    if (this.#harness.advance === undefined) throw new Error('stores are compared with driven clocks')
    await this.#harness.advance(ms)
  }

  async send(batch: Batch): Promise<Said> {
    try {
      const answer = await this.#store.apply(batch)
      return { answer, plain: plainAnswer(answer) }
    } catch (error) {
      return { answer: undefined, plain: (error as { readonly code?: unknown }).code ?? error }
    }
  }

  /** Everything that is held, and the events since the last look. */
  async look(): Promise<Said> {
    const said = await this.send({
      session: 'f'.repeat(32),
      number: 1,
      epoch: null,
      acked: 0,
      received: [],
      deadMs: 1000,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps: [
        { type: 'readEvents', since: this.#cursor, limit: 1000 },
        { type: 'list', prefix: '', agentId: null, minAgeMs: 0, after: null },
      ],
    })
    const [events] = said.answer?.outcomes ?? []
    if (events?.type === 'events') this.#cursor = events.cursor
    return said
  }

  async close(): Promise<void> {
    await this.#store.close()
    await this.#harness.dispose?.()
  }
}

/** Epochs are random, and where the contract leaves the order of leases open, it does not count. */
function plainAnswer(answer: Answer): unknown {
  const plain = { ...answer, outcomes: answer.outcomes?.map(plainOutcome) }
  return JSON.parse(JSON.stringify(plain).replaceAll(answer.epoch, 'epoch')) as unknown
}

function plainOutcome(outcome: Outcome): unknown {
  if ('holders' in outcome) return { ...outcome, holders: inOrder(outcome.holders) }
  if (outcome.type !== 'listed') return outcome
  return { ...outcome, leases: inOrder(outcome.leases), next: outcome.next !== null }
}

function inOrder(leases: readonly LeaseView[]): readonly LeaseView[] {
  const keyOf = ({ fence, claim }: LeaseView): string => `${fence} ${claim.resourceId} ${claim.mode} ${claim.scope}`
  return leases.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

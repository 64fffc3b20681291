import { StoreUnavailableError } from '../../../core/errors.ts'
import { type Answer, type Batch, type LockStore, NotExecutedError, type Step } from '../../../core/store.ts'
import { parsePages, Positions } from './composite.ts'
import { innerId, shardOfId } from './ids.ts'
import { type Destination, destinationOf, type Routing } from './routing.ts'

/** Where the parts of one step went: in which shard, and as which step of the batch there. */
export type Placement = readonly { readonly shard: number; readonly index: number }[]

/** The part of a batch that one shard executes. */
export interface Part {
  readonly shard: number
  readonly batch: Batch
  answer: Answer | undefined
  /** It may have been executed although it was not answered. */
  open: boolean
}

/** One batch on its way through the shards. A repeated one goes on where it stands, under the same numbers. */
export interface Flight {
  readonly parts: readonly Part[]
  /** One for each step of the batch. */
  readonly placements: readonly Placement[]
  answer: Answer | undefined
}

/** What is needed to split a batch. */
export interface Splitting {
  readonly routing: Routing
  readonly epochs: readonly string[]
  /** The shards that know the session, and those that the batch has to reach in any case; never none. */
  readonly known: readonly number[]
  readonly due: readonly number[]
}

/** The steps of a batch by shard. @throws InvalidRequestError for a step that spans shards */
export function split(
  steps: readonly Step[],
  { routing, epochs, known, due }: Splitting,
): { readonly byShard: ReadonlyMap<number, Step[]>; readonly placements: readonly Placement[] } {
  const every = [...epochs.keys()]
  const shardsOf = (to: Destination): readonly number[] => (to === 'every' ? every : to === 'known' ? known : [to])
  const destinations = steps.map((step) => destinationOf(routing, step))
  // What had no more pages is not asked again.
  const hasMore = (step: Step): ((shard: number) => boolean) => {
    const pages = step.type === 'list' && step.after !== null ? parsePages(step.after, epochs.length) : undefined
    return (shard) => pages === undefined || pages[shard] !== null
  }
  const byShard = new Map<number, Step[]>(due.map((shard) => [shard, []]))
  const placements = steps.map((step, number) => {
    const inner = innerSteps(step, epochs)
    const shards = shardsOf(destinations[number] ?? 'known').filter(hasMore(step))
    return shards.map((shard) => {
      const there = byShard.get(shard) ?? []
      byShard.set(shard, there)
      return { shard, index: there.push(inner(shard)) - 1 }
    })
  })
  return { byShard, placements }
}

/** A step as each shard is to execute it. */
function innerSteps(step: Step, epochs: readonly string[]): (shard: number) => Step {
  switch (step.type) {
    case 'acquire': {
      const { holding } = step
      if (holding === null) return () => step
      // A lease of another shard covers nothing in this one.
      const there = { ...holding, id: innerId(holding.id) }
      return (shard) => ({ ...step, holding: shardOfId(holding.id) === shard ? there : null })
    }
    case 'extend':
    case 'release':
    case 'cancel':
    case 'handBack':
      return () => ({ ...step, id: innerId(step.id) })
    case 'list': {
      const pages = step.after === null ? undefined : parsePages(step.after, epochs.length)
      return (shard) => ({ ...step, after: pages?.[shard] ?? null })
    }
    case 'readEvents': {
      const since = step.since === null ? undefined : Positions.parse(step.since, epochs)
      // What no log has handed out gets a gap, and where each log begins.
      return (shard) => ({ ...step, since: step.since === null ? null : (since?.of(shard) ?? '') })
    }
    case 'force':
    case 'inspect':
    case 'goodbye':
      return () => step
  }
}

/**
 * Sends the parts that are not answered yet, all at once.
 *
 * @throws NotExecutedError if no part was executed for certain; StoreUnavailableError if some are open, or were executed
 *   while others were not: then the batch has to be repeated
 */
export async function send(flight: Flight, stores: readonly LockStore[], name: string): Promise<void> {
  const left = flight.parts.filter(({ answer }) => answer === undefined)
  const results = await Promise.allSettled(left.map((part) => sendPart(part, stores)))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  const [first] = errors
  if (first === undefined) return
  const refused = errors.find((error) => !(error instanceof StoreUnavailableError))
  if (refused !== undefined) throw refused
  if (flight.parts.every(({ answer, open }) => answer === undefined && !open)) throw first
  throw new StoreUnavailableError(`Not every shard of ${name} has answered. ${first.message}`, { cause: first })
}

async function sendPart(part: Part, stores: readonly LockStore[]): Promise<void> {
  const store = stores[part.shard]
  if (store === undefined) throw new RangeError(`There is no shard ${part.shard}.`)
  try {
    part.answer = await store.apply(part.batch)
  } catch (error) {
    part.open ||= error instanceof StoreUnavailableError && !(error instanceof NotExecutedError)
    throw error
  }
}

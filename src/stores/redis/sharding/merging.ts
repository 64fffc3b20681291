import type { ListOutcome, LoggedEvent, Outcome, ReadEventsOutcome, ReadEventsStep, Step } from '../../../core/store.ts'
import { formatPages, Positions } from './composite.ts'
import type { Part, Placement } from './flight.ts'
import type { Lens } from './lens.ts'

/** What one step has come to in the shards that executed it, as one outcome. */
export function mergeOutcomes(
  step: Step,
  placement: Placement,
  parts: ReadonlyMap<number, Part>,
  context: { readonly lenses: readonly Lens[]; readonly epochs: readonly string[] },
): Outcome {
  const found = placement.flatMap(({ shard, index }) => {
    const outcome = parts.get(shard)?.answer?.outcomes?.[index]
    const lens = context.lenses[shard]
    return outcome === undefined || lens === undefined ? [] : [{ shard, outcome, lens }]
  })
  if (step.type === 'readEvents') return mergeEvents(step, found, context.epochs)
  if (step.type === 'list') return mergePages(found, context.epochs.length)
  const [only] = found
  return only === undefined ? { type: 'done' } : only.lens.outcome(only.outcome)
}

interface Found {
  readonly shard: number
  readonly outcome: Outcome
  readonly lens: Lens
}

/** The pages of all shards, one behind the other. */
function mergePages(found: readonly Found[], shards: number): ListOutcome {
  const leases: ListOutcome['leases'][number][] = []
  const next = Array.from<string | null>({ length: shards }).fill(null)
  for (const { shard, outcome, lens } of found) {
    if (outcome.type !== 'listed') continue
    leases.push(...lens.shifted(outcome.leases))
    next[shard] = outcome.next
  }
  return { type: 'listed', leases, next: formatPages(next) }
}

/** The events of each shard in their order, and those of different shards by their time. */
function mergeEvents(
  { since, limit }: ReadEventsStep,
  found: readonly Found[],
  epochs: readonly string[],
): ReadEventsOutcome {
  const pages = found.flatMap(({ shard, outcome }) => (outcome.type === 'events' ? [{ shard, ...outcome }] : []))
  const positions = (since === null ? undefined : Positions.parse(since, epochs)) ?? new Positions(epochs)
  const gap = pages.some((page) => page.gap)
  if (gap || since === null) {
    for (const page of pages) if (page.gap || since === null) positions.move(page.shard, page.cursor)
    return { type: 'events', events: [], cursor: positions.text, gap }
  }
  const inOrder = pages
    .flatMap(({ shard, events }) => events.map((event) => ({ shard, event })))
    .toSorted((a, b) => a.event.wallAt - b.event.wallAt)
    .slice(0, limit)
  const events = inOrder.map(({ shard, event }): LoggedEvent => {
    positions.move(shard, event.cursor)
    return { ...event, cursor: positions.text }
  })
  return { type: 'events', events, cursor: positions.text, gap: false }
}

import type { Random } from '../support/random.ts'
import { between, dice } from './dice.ts'
import type { ClientPlan, Fault, Intervention, Operation, Plan } from './plan.ts'

const RESOURCES = ['r:a', 'r:b', 'r:c', 't:x', 't:x/1', 't:x/1/i', 't:y', 't:x/**', 't:**'] as const

const FAULTS = [
  'slow',
  'lossy',
  'partition',
  'hang',
  'deaf',
  'pause',
  'crash',
  'close',
  'wall',
  'down',
  'forget',
  'storeWall',
  'storeClock',
] as const

export interface PlanOptions {
  /** Default: decided by the seed, mostly few. */
  readonly clients?: number
}

/** Decides by the seed what is done and what goes wrong: each seed has some of all kinds of faults, and not the others. */
export function planOf(seed: number, options: PlanOptions = {}): Plan {
  const random = dice(seed, 'plan')
  const count = options.clients ?? clientCount(random)
  const quietAtMs = Math.round(between(random, 5_000, 40_000))
  const clients = Array.from({ length: count }, () => clientPlan(random))
  return {
    seed,
    luck: 0,
    clients,
    operations: operations(random, count, quietAtMs),
    interventions: interventions(random, count, quietAtMs),
    faults: faults(random, count, quietAtMs),
    quietAtMs,
    latencyMs: random.pick([0.5, 2, 10, 80]),
    budget: random.chance(0.25) ? 2 + random.below(6) : null,
    loggedEvents: random.chance(0.2) ? 25 : 10_000,
    asksAlways: random.chance(0.5),
  }
}

function clientCount(random: Random): number {
  const size = random.next()
  if (size < 0.72) return 3 + random.below(4)
  if (size < 0.95) return 7 + random.below(8)
  return 15 + random.below(36)
}

function clientPlan(random: Random): ClientPlan {
  return {
    heartbeatMs: random.chance(0.75) ? 2_000 : random.pick([200, 500, 1_000]),
    // The client's margin is a hundredth of the lease: that is what a clock may be wrong by.
    rate: random.chance(0.5) ? 1 : between(random, 0.992, 1.008),
    watches: random.chance(0.08),
  }
}

function operations(random: Random, clients: number, quietAtMs: number): Operation[] {
  const universe = RESOURCES.filter(() => random.chance(0.4))
  if (universe.length === 0) universe.push('r:a')
  const nesting = random.chance(0.6)
  const perClient = clients > 14 ? 2 : 3 + random.below(5)
  const planned: Operation[] = []
  for (let index = 0; index < clients * perClient; index += 1) {
    // Some only begin when nothing goes wrong any more: they must be served like all others.
    const atMs = Math.round(between(random, 0, quietAtMs + 4_000))
    const operation = operationAt(random, universe, `op${index}`, index % clients, atMs, nesting ? 2 : 0)
    planned.push(operation)
  }
  return planned
}

function operationAt(
  random: Random,
  universe: readonly string[],
  name: string,
  client: number,
  atMs: number,
  depth: number,
  parent?: Pick<Operation, 'agent' | 'isSequential'>,
): Operation {
  const agent = parent === undefined ? (random.chance(0.6) ? random.below(2) : null) : parent.agent
  const forgets = random.chance(0.05)
  const timeoutMs = forgets ? random.pick([500, 5_000]) : random.pick([200, 1_000, 5_000, 8_000, 30_000])
  const how = !forgets && random.chance(0.4) ? 'with' : 'acquire'
  const isSequential = agent === null && how === 'with' && parent?.isSequential !== false
  const nested =
    depth > 0 && random.chance(0.45)
      ? Array.from({ length: 1 + random.below(2) }, (_, index) =>
          operationAt(random, universe, `${name}.${index}`, client, 0, depth - 1, { agent, isSequential }),
        )
      : []
  return {
    name,
    atMs,
    client,
    agent,
    how,
    resources: resources(random, universe),
    timeoutMs,
    // A deadlock is found for certain only between sequential activities: others must not wait for ever under a lock.
    waitMs: random.pick([0, 100, 2_000, 20_000, ...(parent?.isSequential === false ? [] : [null, null])]),
    holdMs: random.chance(0.15) ? random.below(6_000) : random.below(500),
    autoExtend: !forgets && random.chance(0.3) && (random.chance(0.6) || { maxHoldMs: 2_000 }),
    reentrant: random.chance(0.2),
    abortAfterMs: random.chance(0.12) ? random.below(4_000) : null,
    extendMs: random.chance(0.2) ? random.pick([100, 1_000, 10_000]) : null,
    forgets,
    nested,
    isSequential,
  }
}

function resources(random: Random, universe: readonly string[]): Operation['resources'] {
  const count = random.chance(0.7) ? 1 : 1 + random.below(3)
  const mode = random.chance(0.35) ? 'shared' : 'exclusive'
  return Array.from({ length: count }, () => ({
    resourceId: random.pick(universe),
    mode: random.chance(0.85) ? mode : random.pick(['shared', 'exclusive']),
  }))
}

function interventions(random: Random, clients: number, quietAtMs: number): Intervention[] {
  if (random.chance(0.5)) return []
  return Array.from({ length: random.below(5) }, () => ({
    atMs: Math.round(between(random, 0, quietAtMs)),
    client: random.below(clients),
    what: random.pick(['force', 'force', 'owner', 'list'] as const),
    resourceId: random.pick(RESOURCES),
  }))
}

function faults(random: Random, clients: number, quietAtMs: number): Fault[] {
  const isStorm = random.chance(0.12)
  const kinds = FAULTS.filter(() => random.chance(isStorm ? 0.7 : 0.3))
  const planned = kinds.flatMap((kind) => {
    const isOfStore = kind === 'down' || kind === 'forget' || kind === 'storeWall' || kind === 'storeClock'
    const count = isOfStore ? 1 + random.below(2) : 1 + random.below(Math.min(isStorm ? 15 : 6, clients + 1))
    return Array.from({ length: count }, () => faultOf(random, kind, clients, quietAtMs))
  })
  return planned.toSorted((a, b) => a.atMs - b.atMs)
}

function faultOf(random: Random, kind: Fault['kind'], clients: number, quietAtMs: number): Fault {
  const atMs = Math.round(between(random, 0, quietAtMs * 0.95))
  const longest = quietAtMs - atMs
  const forMs = Math.round(Math.min(longest, random.chance(0.7) ? random.below(3_000) : random.below(15_000)))
  const client = random.below(clients)
  const backAfterMs = random.below(3_000)
  const backMs = random.chance(0.7) ? random.below(1_000) : random.below(10_000)
  const sign = random.chance(0.5) ? 1 : -1
  switch (kind) {
    case 'slow':
      return { kind, atMs, forMs, client, upToMs: random.pick([100, 500, 3_000]) }
    case 'lossy':
      return { kind, atMs, forMs, client, chance: random.pick([0.05, 0.2, 0.5]) }
    case 'partition':
      return { kind, atMs, forMs, client, side: random.pick(['there', 'back', 'both']), cut: random.chance(0.5) }
    case 'hang':
      return { kind, atMs, forMs, client, side: random.pick(['before', 'after']), hangMs: 500 + random.below(11_000) }
    case 'deaf':
      return { kind, atMs, forMs, client }
    case 'pause':
      return { kind, atMs, forMs, client, how: random.pick(['stop', 'sleep']) }
    case 'crash':
    case 'close':
      return { kind, atMs, client, backAfterMs }
    case 'wall':
      return { kind, atMs, client, byMs: sign * random.pick([30, 1_000, 60_000]) }
    case 'down':
      return { kind, atMs, forMs, data: random.pick(['kept', 'kept', 'lost', 'back']), backMs }
    case 'forget':
      return { kind, atMs, data: random.pick(['lost', 'back', 'back']), backMs }
    case 'storeWall':
      return { kind, atMs, byMs: sign * random.pick([5, 1_000, 20_000]) }
    case 'storeClock':
      return { kind, atMs, byMs: random.pick([100, 2_000, 40_000]) }
  }
}

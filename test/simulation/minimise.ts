import type { Operation, Plan } from './plan.ts'
import { type Result, simulate, type SimulationOptions } from './simulation.ts'
import type { Invariant } from './verdict.ts'

/** A plan with less in it, or the same plan if there is nothing to take away there. */
type Cut = (plan: Plan) => Plan

export interface Minimised {
  readonly plan: Plan
  readonly result: Result
  /** How many plans were played. */
  readonly attempts: number
}

/**
 * Takes out of a plan whatever is not needed for it to break the same rule: operations, faults and details, first many
 * at once and then one by one, until nothing can go.
 */
export async function minimise(
  plan: Plan,
  invariant: Invariant,
  options: SimulationOptions & { readonly attempts?: number } = {},
): Promise<Minimised> {
  const search = new Search(plan, invariant, options)
  await search.run()
  const result = await simulate(search.plan, { ...options, keep: 400 })
  return { plan: search.plan, result, attempts: search.attempts }
}

/** How often a shorter history is tried before it counts as one that does not fail. */
const LUCKS = 6

class Search {
  plan: Plan
  attempts = 0
  readonly #invariant: Invariant
  readonly #options: SimulationOptions
  readonly #most: number

  constructor(plan: Plan, invariant: Invariant, options: SimulationOptions & { readonly attempts?: number }) {
    this.plan = plan
    this.#invariant = invariant
    this.#options = options
    this.#most = options.attempts ?? 4_000
  }

  async run(): Promise<void> {
    for (let before = ''; before !== JSON.stringify(this.plan) && this.attempts < this.#most;) {
      before = JSON.stringify(this.plan)
      await this.#thin('operations')
      await this.#thin('faults')
      await this.#thin('interventions')
      for (const cut of DETAILS) await this.#try(cut(this.plan))
      for (let index = 0; index < this.plan.operations.length; index += 1) await this.#simplify(index)
    }
  }

  /** Takes entries out of a list: half of them, then quarters, in the end single ones. */
  async #thin(list: 'operations' | 'faults' | 'interventions'): Promise<void> {
    for (let size = Math.ceil(this.plan[list].length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < this.plan[list].length && this.attempts < this.#most;) {
        const rest = this.plan[list].filter((_, index) => index < from || index >= from + size)
        if (!(await this.#try({ ...this.plan, [list]: rest }))) from += size
      }
    }
  }

  async #simplify(index: number): Promise<void> {
    for (const simpler of SIMPLER) {
      const operation = this.plan.operations[index]
      if (operation === undefined || this.attempts >= this.#most) return
      const operations = this.plan.operations.with(index, { ...operation, ...simpler(operation) })
      if (JSON.stringify(operations) !== JSON.stringify(this.plan.operations))
        await this.#try({ ...this.plan, operations })
    }
  }

  async #try(plan: Plan): Promise<boolean> {
    if (plan === this.plan) return false
    // With less in it the messages come at other times: what needs a certain order may need other luck for it.
    for (let more = 0; more < LUCKS; more += 1) {
      const lucky = { ...plan, luck: more === 0 ? plan.luck : this.attempts }
      this.attempts += 1
      const { violation } = await simulate(lucky, this.#options)
      if (violation?.invariant !== this.#invariant) continue
      this.plan = lucky
      return true
    }
    return false
  }
}

const DETAILS: readonly Cut[] = [
  earlier,
  (plan) => (plan.latencyMs === 1 ? plan : { ...plan, latencyMs: 1 }),
  (plan) => (plan.budget === null ? plan : { ...plan, budget: null }),
  (plan) =>
    plan.clients.every(({ rate, watches }) => rate === 1 && !watches)
      ? plan
      : { ...plan, clients: plan.clients.map((client) => ({ ...client, rate: 1, watches: false })) },
  (plan) => {
    const last = plan.clients.length - 1
    const isUsed = [...plan.operations, ...plan.interventions, ...plan.faults].some(
      (each) => 'client' in each && each.client === last,
    )
    return isUsed || last < 1 ? plan : { ...plan, clients: plan.clients.slice(0, lastUsed(plan) + 1) }
  },
]

function lastUsed(plan: Plan): number {
  const places = [...plan.operations, ...plan.interventions, ...plan.faults].map((each) =>
    'client' in each ? each.client : 0,
  )
  return Math.max(0, ...places)
}

function waitsInside({ nested }: Operation): boolean {
  return nested.some((inner) => inner.waitMs === null || waitsInside(inner))
}

/** All that happens, so much earlier. */
function earlier(plan: Plan): Plan {
  const entries = [...plan.operations, ...plan.interventions, ...plan.faults]
  const idleMs = Math.min(...entries.map(({ atMs }) => atMs)) - 100
  if (entries.length === 0 || idleMs <= 0) return plan
  const move = <T extends { readonly atMs: number }>(each: T): T => ({ ...each, atMs: each.atMs - idleMs })
  return {
    ...plan,
    operations: plan.operations.map(move),
    interventions: plan.interventions.map(move),
    faults: plan.faults.map(move),
    quietAtMs: plan.quietAtMs - idleMs,
  }
}

const SIMPLER: readonly ((operation: Operation) => Partial<Operation>)[] = [
  () => ({ nested: [] }),
  ({ nested }) => ({ nested: nested.slice(0, 1) }),
  ({ nested }) => ({ nested: nested.slice(1) }),
  // Under a lock only a sequential activity waits for ever: that must stay so.
  (operation) => (waitsInside(operation) ? {} : { how: 'acquire' }),
  (operation) => (waitsInside(operation) ? {} : { agent: null }),
  ({ resources }) => ({ resources: resources.slice(0, 1) }),
  () => ({ abortAfterMs: null }),
  () => ({ extendMs: null }),
  () => ({ autoExtend: false }),
  () => ({ reentrant: false }),
  () => ({ forgets: false }),
  () => ({ waitMs: null }),
  () => ({ timeoutMs: 30_000 }),
  () => ({ holdMs: 100 }),
]

import type { LockModel } from './model.ts'
import type { Operation } from './operation.ts'

/** What can be true at some moment: a state of the lock, and which of the operations under way have taken effect. */
interface Configuration<State> {
  readonly state: State
  /** Numbers of operations, rising. Those that have returned are part of the state only. */
  readonly done: readonly number[]
}

type Configurations<State> = ReadonlyMap<string, Configuration<State>>

/** What a search has found. */
export interface Found<State> {
  readonly outcome: 'explained' | 'unexplained' | 'undecided'
  /** Configurations looked at: the work that it took. */
  readonly visited: number
  /** Where it is unexplained: the operation at whose return nothing fits any more. */
  readonly failedAt?: Operation
  /** The states that were possible before that, without what was under way. */
  readonly states?: readonly State[]
}

/**
 * Whether some order of the operations on one resource explains their results: each operation takes effect at one
 * moment between its call and its return.
 *
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory for what it has seen
 * and the laziness of Lowe ("Testing for linearizability", 2017): it goes through the history in time, keeps every
 * configuration that is still possible, and lets operations take effect only when one that returns needs it. Of an
 * operation that has returned nothing is kept but its effect; so the work grows with the operations that are under way
 * together, not with the length of the history.
 *
 * @param maxVisited gives up after so many configurations
 */
export function search<State>(
  model: LockModel<State>,
  operations: readonly Operation[],
  maxVisited: number,
): Found<State> {
  return new Search(model, operations, maxVisited).run()
}

class Search<State> {
  readonly #model: LockModel<State>
  readonly #operations: readonly Operation[]
  readonly #maxVisited: number
  readonly #underWay = new Set<number>()
  #visited = 0

  constructor(model: LockModel<State>, operations: readonly Operation[], maxVisited: number) {
    this.#model = model
    this.#operations = operations
    this.#maxVisited = maxVisited
  }

  run(): Found<State> {
    const start: Configuration<State> = { state: this.#model.initial, done: [] }
    let possible: Configurations<State> = new Map([[this.#keyOf(start), start]])
    for (const { number, isCall } of edgesOf(this.#operations)) {
      if (isCall) {
        this.#underWay.add(number)
        continue
      }
      const next = this.#onReturn(number, possible)
      if (this.#visited > this.#maxVisited) return { outcome: 'undecided', visited: this.#visited }
      if (next.size === 0) return this.#failure(number, possible)
      this.#underWay.delete(number)
      possible = next
    }
    return { outcome: 'explained', visited: this.#visited }
  }

  #failure(number: number, possible: Configurations<State>): Found<State> {
    const failedAt = this.#operation(number)
    const states = new Map([...possible.values()].map(({ state }) => [this.#model.keyOf(state), state]))
    return { outcome: 'unexplained', visited: this.#visited, failedAt, states: [...states.values()] }
  }

  /** The configurations in which the operation has taken effect by now, or need not. */
  #onReturn(number: number, possible: Configurations<State>): Configurations<State> {
    const accepted = new Map<string, Configuration<State>>()
    const seen = new Set(possible.keys())
    const open = [...possible.values()].map((configuration) => ({ configuration, isSpare: false }))
    const accept = ({ state, done }: Configuration<State>): void => {
      const left = { state, done: done.filter((other) => other !== number) }
      accepted.set(this.#keyOf(left), left)
    }
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { configuration, isSpare } = next
      this.#visited += 1
      if (this.#visited > this.#maxVisited) break
      const hasEffect = configuration.done.includes(number)
      const isOptional = hasEffect || this.#mayOmit(number, configuration.state)
      // What follows from a configuration that is kept can still follow later: only the effect itself cannot.
      if (hasEffect || (isOptional && !isSpare)) accept(configuration)
      if (hasEffect) continue
      for (const further of this.#successors(configuration)) {
        const key = this.#keyOf(further)
        if (!seen.has(key)) open.push({ configuration: further, isSpare: isSpare || isOptional })
        seen.add(key)
      }
    }
    return accepted
  }

  /** Every configuration that is one effect further. */
  *#successors({ state, done }: Configuration<State>): Generator<Configuration<State>, void, undefined> {
    for (const number of this.#underWay) {
      if (done.includes(number) || this.#mustWait(number, done)) continue
      const next = this.#model.step(state, this.#operation(number))
      if (next !== null) yield { state: next, done: [...done, number].toSorted((a, b) => a - b) }
    }
  }

  #mustWait(number: number, done: readonly number[]): boolean {
    const { precedes } = this.#model
    if (precedes === undefined) return false
    const operation = this.#operation(number)
    return [...this.#underWay].some(
      (other) => other !== number && !done.includes(other) && precedes(this.#operation(other), operation),
    )
  }

  /** An expiry has nothing to do where its lease no longer stands. */
  #mayOmit(number: number, state: State): boolean {
    const operation = this.#operation(number)
    if (operation.outcome === 'unknown') return true
    return operation.kind === 'expire' && this.#model.step(state, operation) === null
  }

  #keyOf({ state, done }: Configuration<State>): string {
    return `${done.join(',')}|${this.#model.keyOf(state)}`
  }

  #operation(number: number): Operation {
    const operation = this.#operations[number]
    if (operation === undefined) throw new RangeError(`there is no operation ${number}`)
    return operation
  }
}

interface Edge {
  readonly at: number
  readonly number: number
  readonly isCall: boolean
}

/** Calls and returns in time. What happens at the same moment overlaps; what never returned asks for nothing. */
function edgesOf(operations: readonly Operation[]): readonly Edge[] {
  const calls = operations.map(({ calledAt }, number) => ({ at: calledAt, number, isCall: true }))
  const returns = operations
    .map(({ returnedAt }, number) => ({ at: returnedAt, number, isCall: false }))
    .filter(({ at }) => at !== Infinity)
  return [...calls, ...returns].toSorted((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall))
}

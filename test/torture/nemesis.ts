import { comesTrue, type Fault, type Injection, rest, type Scene } from './fault.ts'
import { nowMs } from './protocol.ts'

/** How long the workers are left alone between two faults; in a run of some length up to the second, at random. */
const CALM_MS = 300
const LONGEST_CALM_MS = 2_000

/** What goes on after a fault must be a grant within this time, or somebody waits for ever. */
const RECOVERY_MS = 60_000

/** So many grants, and the workers are under way. */
const FIRST_GRANTS = 20

/** How often a fault is tried whose right moment does not come. */
const ATTEMPTS = 10

/** How long it goes on. */
export interface Programme {
  /** Every fault once; else at random until the signal aborts. */
  readonly once: boolean
  readonly onInjection: (injection: Injection) => void
}

/** Strikes with one fault after the other, and sees that the workers go on after each. */
export class Nemesis {
  readonly #faults: readonly Fault[]
  readonly #scene: Scene
  readonly #injections: Injection[] = []
  readonly #problems: string[] = []
  readonly #attempts = new Map<Fault, number>()

  constructor(faults: readonly Fault[], scene: Scene) {
    this.#faults = faults
    this.#scene = scene
  }

  get injections(): readonly Injection[] {
    return this.#injections
  }

  /** After which faults the workers did not go on. */
  get problems(): readonly string[] {
    return this.#problems
  }

  async run({ once, onInjection }: Programme): Promise<void> {
    const { random, signal } = this.#scene
    // The workers must have come into their stride, or what they need for that would count as recovery.
    if (!(await comesTrue(() => this.#grants() > FIRST_GRANTS, RECOVERY_MS, signal)) && !signal.aborted) {
      this.#problems.push(`The workers did not come to ${FIRST_GRANTS} grants within ${RECOVERY_MS / 1_000} s.`)
    }
    let left = this.#problems.length === 0 ? [...this.#faults] : []
    while (!signal.aborted && left.length > 0) {
      const fault = left.splice(random.below(left.length), 1)[0]
      if (left.length === 0 && !once) left = [...this.#faults]
      if (fault === undefined) return
      await rest(once ? CALM_MS : CALM_MS + random.below(LONGEST_CALM_MS - CALM_MS), signal)
      if (signal.aborted) return
      const injection = await this.#inject(fault)
      if (injection === null) {
        if (once) left.push(...this.#again(fault))
        continue
      }
      this.#injections.push(injection)
      onInjection(injection)
      if (this.#problems.length > 0) return
    }
  }

  /** The right moment for a fault did not come: it is tried again, after the others. */
  #again(fault: Fault): readonly Fault[] {
    const attempts = (this.#attempts.get(fault) ?? 0) + 1
    this.#attempts.set(fault, attempts)
    if (attempts < ATTEMPTS) return [fault]
    this.#problems.push(`The moment to ${fault.name} did not come in ${attempts} attempts.`)
    return []
  }

  async #inject(fault: Fault): Promise<Injection | null> {
    const { kind, name, losesData, isOutage } = fault
    const from = nowMs()
    const what = await fault.strike(this.#scene).catch((error: unknown) => {
      this.#problems.push(`To ${name} failed: ${String(error)}`)
      return 'it failed'
    })
    const to = nowMs()
    if (what === null) return null
    const before = this.#grants()
    const healed = performance.now()
    // A run that is ended goes on being judged: the workers finish what they do.
    const goesOn = await comesTrue(() => this.#grants() > before + 2, RECOVERY_MS, this.#scene.signal)
    if (!goesOn && !this.#scene.signal.aborted) {
      this.#problems.push(`Nobody was granted anything for ${RECOVERY_MS / 1_000} s after this: ${what}.`)
    }
    return { kind, name, losesData, isOutage, what, from, to, recoveredMs: performance.now() - healed }
  }

  #grants(): number {
    const { guarded, careless, set } = this.#scene.data
    return guarded.reads + careless.reads + set.reads
  }
}

import type { Random } from '../support/random.ts'
import { between } from './dice.ts'
import type { Fault } from './plan.ts'

/** What becomes of one request and its answer. */
export interface Fate {
  /** Nothing is sent: the connection cannot be made. */
  readonly refused: boolean
  readonly arrives: boolean
  readonly returns: boolean
  readonly thereMs: number
  readonly backMs: number
  readonly copyAfterMs: number | null
}

/** What goes wrong between one client and the store at the moment. */
export class Weather {
  readonly #latencyMs: number
  readonly #active = new Set<Fault>()

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs
  }

  begin(fault: Fault): void {
    this.#active.add(fault)
  }

  end(fault: Fault): void {
    this.#active.delete(fault)
  }

  get isLossy(): boolean {
    return this.#of('lossy') !== undefined
  }

  get isCut(): boolean {
    return this.#of('partition')?.cut === true
  }

  latency(random: Random): number {
    const usual = between(random, this.#latencyMs / 10, this.#latencyMs)
    const slow = this.#of('slow')
    return slow === undefined ? usual : usual + random.below(slow.upToMs)
  }

  losesPush(random: Random): boolean {
    const partition = this.#of('partition')
    if (this.#of('deaf') !== undefined || (partition !== undefined && partition.side !== 'there')) return true
    const lossy = this.#of('lossy')
    return lossy !== undefined && random.chance(lossy.chance)
  }

  repeats(random: Random): boolean {
    const lossy = this.#of('lossy')
    return lossy !== undefined && random.chance(lossy.chance)
  }

  fateOf(random: Random): Fate {
    const partition = this.#of('partition')
    const hang = this.#of('hang')
    const lossy = this.#of('lossy')?.chance ?? 0
    const [there, back] = [this.latency(random), this.latency(random)]
    const isLate = random.chance(lossy)
    const hangMs = hang === undefined ? 0 : random.below(hang.hangMs)
    return {
      refused: partition?.cut === true || random.chance(lossy * 0.4),
      arrives: !(partition !== undefined && partition.side !== 'back') && !random.chance(lossy * 0.5),
      returns: !(partition !== undefined && partition.side !== 'there') && !random.chance(lossy * 0.5),
      thereMs: there + (isLate ? random.below(4_000) : 0) + (hang?.side === 'before' ? hangMs : 0),
      backMs: back + (hang?.side === 'after' ? hangMs : 0),
      copyAfterMs: random.chance(lossy) ? random.below(15_000) : null,
    }
  }

  #of<K extends Fault['kind']>(kind: K): Extract<Fault, { kind: K }> | undefined {
    for (const fault of this.#active) if (fault.kind === kind) return fault as Extract<Fault, { kind: K }>
    return undefined
  }
}

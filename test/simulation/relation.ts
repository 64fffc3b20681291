import type { Claim } from '../../src/core/model.ts'
import { clashes } from '../model/naive.ts'

/** Which lists of claims conflict: decided by the plain rule of the naive model, once for each pair of lists. */
export class Relation {
  readonly #numbers = new Map<string, number>()
  readonly #lists: (readonly Claim[])[] = []
  readonly #known = new Map<number, boolean>()

  /** Equal lists have equal numbers. */
  number(claims: readonly Claim[]): number {
    const text = claims.map(({ resourceId, mode, scope }) => `${mode} ${scope} ${resourceId}`).join()
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#lists.push(claims)
    this.#numbers.set(text, this.#lists.length - 1)
    return this.#lists.length - 1
  }

  conflict(a: number, b: number): boolean {
    const pair = a < b ? a * 65_536 + b : b * 65_536 + a
    const known = this.#known.get(pair)
    if (known !== undefined) return known
    const found = clashes(this.#lists[a] ?? [], this.#lists[b] ?? []) > 0
    this.#known.set(pair, found)
    return found
  }
}

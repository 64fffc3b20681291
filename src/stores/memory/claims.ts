import type { Mode } from '../../core/model.ts'
import { AGAINST, ancestorsOf, prefixUnder, typeOf } from '../../core/resource/resource.ts'
import type { Claims, InTheWay, PagedClaim, Place, RequestRow } from '../../core/table/storage.ts'
import { NumberLists, SortedStrings } from './ordered.ts'

/** Ends an id inside a longer key: no resource id has a control character. */
const END = '\u0000'
const AFTER_END = '\u0001'

/**
 * The index of claims over maps. Lists of request ids by place, id and mode, held and waiting apart. What is held
 * under an id is found by a range of sorted ids; what waits under it, by a list at each ancestor, because there the
 * order of arrival counts.
 */
export class MemoryClaims implements Claims {
  readonly #waiting = new NumberLists()
  readonly #held = new NumberLists()
  readonly #heldIds = new SortedStrings()
  readonly #trees = new Map<string, number>()

  insert(row: RequestRow): void {
    for (const { resourceId, scope } of row.claims) if (scope === 'tree') this.#countTree(resourceId, 1)
    this.#each(row, 'add')
  }

  delete(row: RequestRow): void {
    for (const { resourceId, scope } of row.claims) if (scope === 'tree') this.#countTree(resourceId, -1)
    this.#each(row, 'delete')
  }

  /** A waiting request was granted. */
  move(from: RequestRow, to: RequestRow): void {
    this.#each(from, 'delete')
    this.#each(to, 'add')
  }

  hasTrees(type: string): boolean {
    return this.#trees.has(type)
  }

  inTheWay(place: Place, resourceId: string, mode: Mode, before: number): InTheWay {
    let waiting: number | undefined
    let held: number | undefined
    for (const other of AGAINST[mode]) {
      const last = this.#waiting.lastBelow(nameOf(place, other, resourceId), before)
      if (last !== undefined && (waiting === undefined || last > waiting)) waiting = last
      held ??= this.#heldAt(place, resourceId, other, 0, 1)[0]
    }
    return { waiting, held }
  }

  held(place: Place, resourceId: string, mode: Mode, after: number, limit: number): readonly number[] {
    const found = AGAINST[mode].flatMap((other) => this.#heldAt(place, resourceId, other, after, limit))
    return place === 'under' ? found.slice(0, limit) : merged(found, limit)
  }

  waiting(
    place: Place,
    resourceId: string,
    mode: Mode,
    after: number,
    before: number,
    limit: number,
  ): readonly number[] {
    const lists = AGAINST[mode].map((other) =>
      this.#waiting.between(nameOf(place, other, resourceId), after, before, limit),
    )
    return merged(lists.flat(), limit)
  }

  countWaiting(place: Place, resourceId: string, mode: Mode, before: number, limit: number): number {
    let count = 0
    for (const other of AGAINST[mode]) count += this.#waiting.countBelow(nameOf(place, other, resourceId), before)
    return Math.min(count, limit)
  }

  page(prefix: string, after: string | null, limit: number): readonly PagedClaim[] {
    const found: PagedClaim[] = []
    for (const mode of AGAINST.exclusive) {
      const isPast = after !== null && !after.startsWith(mode) && after > mode
      if (isPast || found.length >= limit) continue
      for (const place of this.#heldIds.startingWith(`${mode}${END}${prefix}`, after, limit - found.length)) {
        const [, resourceId = '', id] = place.split(END)
        found.push({ id: Number(id), resourceId, mode, place })
      }
    }
    return found
  }

  #heldAt(place: Place, resourceId: string, mode: Mode, after: number, limit: number): number[] {
    if (place !== 'under') return this.#held.between(nameOf(place, mode, resourceId), after, Infinity, limit)
    const prefix = `${mode}${END}${prefixUnder(resourceId)}`
    // The root of a type starts with its own prefix, but does not lie under itself.
    const self = `${mode}${END}${resourceId}${AFTER_END}`
    const found = this.#heldIds.startingWith(prefix, self, limit)
    return found.map((key) => Number(key.slice(key.lastIndexOf(END) + 1)))
  }

  #each(row: RequestRow, change: 'add' | 'delete'): void {
    const isHeld = row.lease !== null
    const lists = isHeld ? this.#held : this.#waiting
    for (const { resourceId, mode, scope } of row.claims) {
      lists[change](nameOf('at', mode, resourceId), row.id)
      if (scope === 'tree') lists[change](nameOf('tree', mode, resourceId), row.id)
      if (isHeld) this.#heldIds[change](`${mode}${END}${resourceId}${END}${String(row.id).padStart(16, '0')}`)
      else for (const ancestor of ancestorsOf(resourceId)) lists[change](nameOf('under', mode, ancestor), row.id)
    }
  }

  #countTree(resourceId: string, change: number): void {
    const type = typeOf(resourceId)
    const count = (this.#trees.get(type) ?? 0) + change
    if (count === 0) this.#trees.delete(type)
    else this.#trees.set(type, count)
  }
}

function nameOf(place: Place, mode: Mode, resourceId: string): string {
  return `${place}${END}${mode}${END}${resourceId}`
}

function merged(ids: readonly number[], limit: number): number[] {
  return [...new Set(ids)].toSorted((a, b) => a - b).slice(0, limit)
}

import sortedBtree from 'sorted-btree'

const BTree = sortedBtree.default

/** Sorted lists of numbers by name; an empty list is no list. Numbers mostly arrive in order. */
export class NumberLists {
  readonly #lists = new Map<string, number[]>()

  add(name: string, value: number): void {
    const list = this.#lists.get(name)
    if (list === undefined) this.#lists.set(name, [value])
    else if ((list.at(-1) ?? 0) < value) list.push(value)
    else list.splice(indexAfter(list, value - 1), 0, value)
  }

  delete(name: string, value: number): void {
    const list = this.#lists.get(name)
    if (list === undefined) return
    const index = indexAfter(list, value - 1)
    if (list[index] !== value) return
    if (list.length === 1) this.#lists.delete(name)
    else if (index === 0) list.shift()
    else list.splice(index, 1)
  }

  first(name: string): number | undefined {
    return this.#lists.get(name)?.[0]
  }

  /** The last value below a limit. */
  lastBelow(name: string, below: number): number | undefined {
    const list = this.#lists.get(name)
    return list?.[indexAfter(list, below - 1) - 1]
  }

  /** The different values strictly between two limits, in order, at most `count` of them. */
  between(name: string, after: number, before: number, count: number): number[] {
    const list = this.#lists.get(name)
    if (list === undefined) return []
    const values: number[] = []
    for (let index = indexAfter(list, after); index < list.length && values.length < count; index += 1) {
      const value = list[index] ?? Infinity
      if (value >= before) break
      if (value !== values.at(-1)) values.push(value)
    }
    return values
  }

  countBelow(name: string, below: number): number {
    const list = this.#lists.get(name)
    return list === undefined ? 0 : indexAfter(list, below - 1)
  }

  has(name: string): boolean {
    return this.#lists.has(name)
  }
}

/** How many values of a sorted list are at most `limit`. */
function indexAfter(list: readonly number[], limit: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle] ?? Infinity) <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Things to do at a time, earliest first; several at the same time in order of their names. */
export class Agenda<Name extends number | string> {
  readonly #entries = new BTree<readonly [number, Name], undefined>(undefined, ([timeA, nameA], [timeB, nameB]) =>
    timeA === timeB ? (nameA < nameB ? -1 : nameA > nameB ? 1 : 0) : timeA - timeB,
  )

  add(time: number, name: Name): void {
    this.#entries.set([time, name], undefined)
  }

  delete(time: number, name: Name): void {
    this.#entries.delete([time, name])
  }

  first(): readonly [number, Name] | undefined {
    return this.#entries.minKey()
  }

  /** The names whose time has come. */
  due(now: number, limit: number): Name[] {
    const names: Name[] = []
    for (const [time, name] of this.#entries.keys()) {
      if (time > now || names.length >= limit) break
      names.push(name)
    }
    return names
  }
}

/** Strings in order of their code units. */
export class SortedStrings {
  readonly #entries = new BTree<string, undefined>()

  add(value: string): void {
    this.#entries.set(value, undefined)
  }

  delete(value: string): void {
    this.#entries.delete(value)
  }

  /** The values that start with a prefix, after one of them if given, in order. */
  startingWith(prefix: string, after: string | null, limit: number): string[] {
    const values: string[] = []
    for (const value of this.#entries.keys(after === null || after < prefix ? prefix : after)) {
      if (!value.startsWith(prefix) || values.length >= limit) break
      if (value !== after) values.push(value)
    }
    return values
  }
}

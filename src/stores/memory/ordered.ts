import sortedBtree from 'sorted-btree'
import { TurnoverMap } from '../../core/turnover.ts'

const BTree = sortedBtree.default

interface NumberList {
  readonly values: number[]
  /** Values before this index are gone: a line is mostly left from its front, and moving the rest each time adds up. */
  start: number
}

/** So many values that are gone may stay, and as many as are still there. */
const SPARE = 64

/** Sorted lists of numbers by name; an empty list is no list. Numbers mostly arrive in order. */
export class NumberLists {
  readonly #lists = new TurnoverMap<string, NumberList>()

  add(name: string, value: number): void {
    const list = this.#lists.get(name)
    if (list === undefined) this.#lists.set(name, { values: [value], start: 0 })
    else if ((list.values.at(-1) ?? 0) < value) list.values.push(value)
    else list.values.splice(indexAfter(list, value - 1), 0, value)
  }

  delete(name: string, value: number): void {
    const list = this.#lists.get(name)
    if (list === undefined) return
    const { values, start } = list
    const index = indexAfter(list, value - 1)
    if (values[index] !== value) return
    if (values.length - start === 1) this.#lists.delete(name)
    else if (index > start) values.splice(index, 1)
    else list.start += 1
    if (list.start > SPARE && list.start * 2 > values.length) {
      values.splice(0, list.start)
      list.start = 0
    }
  }

  /** The last value below a limit. */
  lastBelow(name: string, below: number): number | undefined {
    const list = this.#lists.get(name)
    if (list === undefined) return undefined
    const index = indexAfter(list, below - 1) - 1
    return index < list.start ? undefined : list.values[index]
  }

  /** The different values strictly between two limits, in order, at most `count` of them. */
  between(name: string, after: number, before: number, count: number): number[] {
    const list = this.#lists.get(name)
    if (list === undefined) return []
    const found: number[] = []
    for (let index = indexAfter(list, after); index < list.values.length && found.length < count; index += 1) {
      const value = list.values[index] ?? Infinity
      if (value >= before) break
      if (value !== found.at(-1)) found.push(value)
    }
    return found
  }

  countBelow(name: string, below: number): number {
    const list = this.#lists.get(name)
    return list === undefined ? 0 : indexAfter(list, below - 1) - list.start
  }
}

/** The index after the last value that is at most `limit`. */
function indexAfter({ values, start }: NumberList, limit: number): number {
  let low = start
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] ?? Infinity) <= limit) low = middle + 1
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

import { createHash } from 'node:crypto'
import { InvalidRequestError } from '../../../core/errors.ts'
import { formatCursor, parseCursor } from '../../../core/table/cursor.ts'

/** The epoch of all shards together: another one as soon as one of them has lost its data. */
export function compositeEpoch(epochs: readonly string[]): string {
  return createHash('sha256').update(epochs.join(' ')).digest('hex').slice(0, 32)
}

/**
 * Places in the logs of all shards, as one cursor. That of a single event has for the other shards what was known of
 * them when it was told, so reading on from it gives none of their later events twice, but maybe some of the earlier.
 */
export class Positions {
  readonly #epochs: readonly string[]
  readonly #epoch: string
  readonly #numbers: number[]

  constructor(epochs: readonly string[], numbers: readonly number[] = epochs.map(() => 0)) {
    this.#epochs = epochs
    this.#epoch = compositeEpoch(epochs)
    this.#numbers = [...numbers]
  }

  /** `undefined` for a cursor of other logs than these. */
  static parse(text: string, epochs: readonly string[]): Positions | undefined {
    const [epoch, list = ''] = text.split('.')
    if (epoch !== compositeEpoch(epochs) || !/^\d{1,16}(?:-\d{1,16})*$/u.test(list)) return undefined
    const numbers = list.split('-').map(Number)
    return numbers.length === epochs.length ? new Positions(epochs, numbers) : undefined
  }

  get text(): string {
    return `${this.#epoch}.${this.#numbers.join('-')}`
  }

  /** The place in the log of one shard, as that shard writes it. */
  of(shard: number): string {
    return formatCursor(this.#epochs[shard] ?? '', this.#numbers[shard] ?? 0)
  }

  /** Moves to a place in the log of one shard. */
  move(shard: number, cursor: string): void {
    const place = parseCursor(cursor)
    if (place !== undefined) this.#numbers[shard] = place.number
  }

  /** The cursor of an event of one shard; what is known of that shard is at least that far from now on. */
  cursorOf(shard: number, cursor: string): string {
    const known = this.#numbers[shard] ?? 0
    this.move(shard, cursor)
    const { text } = this
    this.#numbers[shard] = Math.max(known, this.#numbers[shard] ?? 0)
    return text
  }
}

/** Where each shard's next page of a listing starts; `null` for one that has no more. */
export function formatPages(pages: readonly (string | null)[]): string | null {
  return pages.every((page) => page === null) ? null : JSON.stringify(pages)
}

/** As {@link formatPages} has written it. */
export function parsePages(text: string, shards: number): readonly (string | null)[] {
  try {
    const pages: unknown = JSON.parse(text)
    if (Array.isArray(pages) && pages.length === shards) return pages as (string | null)[]
  } catch {
    // Falls through to the same complaint.
  }
  throw new InvalidRequestError(`This place in a listing belongs to a store with another number of shards.`)
}

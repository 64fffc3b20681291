import type { LoggedEvent } from '../../core/store.ts'
import { formatCursor } from '../../core/table/cursor.ts'
import type { EventLog, NumberedEvent } from '../../core/table/storage.ts'
import type { Database, Statement } from './engine.ts'
import { readText, type WrittenEvent } from './texts.ts'

/** What a batch logs, kept until the batch is written. */
export interface Entry {
  readonly first: number
  readonly events: readonly LoggedEvent[]
}

/** The event log over rows: one for each batch that logged anything. */
export class SqliteEvents implements EventLog {
  readonly #epoch: () => string
  #entry: Entry | undefined
  /** Number of the oldest event that this connection knows to be kept. */
  #oldest: number | undefined
  readonly #first: Statement
  readonly #after: Statement
  readonly #trim: Statement

  constructor(database: Database, epoch: () => string) {
    this.#epoch = epoch
    this.#first = database.prepare('SELECT min(last_event) FROM log')
    this.#after = database.prepare(
      'SELECT first_event, wall_at, events FROM log WHERE last_event > ? ORDER BY last_event LIMIT ?',
    )
    this.#trim = database.prepare('DELETE FROM log WHERE last_event < ?')
  }

  append(first: number, events: readonly LoggedEvent[], forgetBefore: number): void {
    this.#entry = { first, events }
    this.#oldest ??= Number(this.#first.get()?.[0] ?? first)
    // Now and then, because the oldest rows are in a page of their own, which would be written each time.
    if ((forgetBefore - this.#oldest) * 8 < first - forgetBefore) return
    this.#trim.run(forgetBefore)
    this.#oldest = forgetBefore
  }

  after(number: number, limit: number): readonly NumberedEvent[] {
    const found: NumberedEvent[] = []
    for (const row of this.#after.all(number, limit)) {
      const wallAt = Number(row[1])
      for (const [index, logged] of readText<WrittenEvent[]>(row[2], isEvents).entries()) {
        const each = Number(row[0]) + index
        if (each > number && found.length < limit)
          found.push({ number: each, event: this.#toEvent(each, wallAt, logged) })
      }
      if (found.length >= limit) break
    }
    return found
  }

  /** Hands over what the batch has logged, to be written with the counters. */
  takeEntry(): Entry | undefined {
    const entry = this.#entry
    this.#entry = undefined
    return entry
  }

  #toEvent(number: number, wallAt: number, logged: WrittenEvent): LoggedEvent {
    return { ...ABSENT, ...logged, cursor: formatCursor(this.#epoch(), number), wallAt }
  }
}

function isEvents(events: readonly WrittenEvent[]): boolean {
  return events.every(({ type, claims }) => typeof type === 'string' && Array.isArray(claims))
}

const ABSENT = { fence: null, reason: null, metadata: null, heldMs: null, waitedMs: null, forced: null }

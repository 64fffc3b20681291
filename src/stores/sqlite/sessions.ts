import type { Answer, Message } from '../../core/store.ts'
import type { Outbox, SessionRow, Sessions } from '../../core/table/storage.ts'
import { readAnswer, writeAnswer } from './answers.ts'
import type { Database, Row, Statement, Value } from './engine.ts'
import { readText } from './texts.ts'

const REMEMBERED = 1024

const COLUMNS = 'place, id, birth, seen_at, dead_ms, batch, posted, acked, waiting, haunted, keep_until, due_at'

/**
 * The sessions over rows. Changes are gathered and written once, with the answer, in {@link SqliteSessions.flush};
 * what this connection has read or written it knows without reading it again, until {@link SqliteSessions.forget}.
 */
export class SqliteSessions implements Sessions {
  /** `undefined`: known not to be there. */
  readonly #known = new Map<string, SessionRow | undefined>()
  /** Those that stand in the file, as far as they are known. */
  readonly #written = new Map<string, Written>()
  readonly #changed = new Set<string>()
  readonly #answers = new Map<string, Answer>()
  #quietUntil = 0
  readonly #get: Statement
  readonly #put: Statement
  readonly #touch: Statement
  readonly #touchWithAnswer: Statement
  readonly #delete: Statement
  readonly #firstDue: Statement
  readonly #due: Statement
  readonly #answer: Statement

  constructor(database: Database) {
    const columns = COLUMNS.split(', ')
    this.#get = database.prepare(`SELECT ${COLUMNS} FROM sessions WHERE id = ?`)
    this.#put = database.prepare(
      `INSERT INTO sessions (${COLUMNS}) VALUES (${columns.map(() => '?').join(', ')})
       ON CONFLICT (place) DO UPDATE SET due_at = excluded.due_at RETURNING place`,
    )
    // `due_at` has an index, which is written whenever the column is.
    const touched = columns.slice(2, -1).map((name, index) => `${name} = ?${index + 2}`)
    this.#touch = database.prepare(`UPDATE sessions SET ${touched.join(', ')} WHERE place = ?1`)
    this.#touchWithAnswer = database.prepare(`UPDATE sessions SET ${touched.join(', ')}, answer = ?11 WHERE place = ?1`)
    this.#delete = database.prepare('DELETE FROM sessions WHERE id = ?')
    this.#firstDue = database.prepare('SELECT min(due_at) FROM sessions')
    this.#due = database.prepare(`SELECT ${COLUMNS} FROM sessions WHERE due_at <= ? ORDER BY due_at, id LIMIT 1`)
    this.#answer = database.prepare('SELECT answer FROM sessions WHERE id = ?')
  }

  /** Another process may have changed the rows, or this one's changes were taken back. */
  forget(): void {
    this.#known.clear()
    this.#written.clear()
    this.#changed.clear()
    this.#answers.clear()
    this.#quietUntil = 0
  }

  get(id: string): SessionRow | undefined {
    if (this.#known.has(id)) return this.#known.get(id)
    const row = this.#get.get(id)
    const session = row === undefined ? undefined : toSession(row)
    if (this.#known.size >= REMEMBERED && this.#changed.size === 0) this.forget()
    this.#known.set(id, session)
    if (row !== undefined && session !== undefined)
      this.#written.set(id, { place: row[0] ?? null, dueAt: session.dueAt })
    return session
  }

  put(row: SessionRow): void {
    this.#known.set(row.id, row)
    this.#changed.add(row.id)
    if (row.dueAt < this.#quietUntil) this.#quietUntil = row.dueAt
  }

  delete(id: string): void {
    this.#delete.run(id)
    this.#known.set(id, undefined)
    this.#written.delete(id)
    this.#changed.delete(id)
    this.#answers.delete(id)
  }

  due(now: number): SessionRow | undefined {
    if (now < this.#quietUntil) return undefined
    this.flush()
    this.#quietUntil = Number(this.#firstDue.get()?.[0] ?? Infinity)
    const row = now < this.#quietUntil ? undefined : this.#due.get(now)
    return row === undefined ? undefined : toSession(row)
  }

  answer(id: string): Answer | undefined {
    const text = this.#answer.get(id)?.[0]
    return typeof text === 'string' ? readAnswer(text) : undefined
  }

  saveAnswer(id: string, answer: Answer): void {
    this.#answers.set(id, answer)
  }

  /** Writes what was gathered. Says whether that was anything. */
  flush(): boolean {
    const hasChanged = this.#changed.size > 0
    for (const id of this.#changed) {
      const row = this.#known.get(id)
      if (row !== undefined) this.#write(row)
    }
    this.#changed.clear()
    return hasChanged
  }

  #write(row: SessionRow): void {
    const { id, birth, seenAt, deadMs, batch, posted, acked, waiting, keepUntil, dueAt } = row
    const haunted = row.haunted ? 1 : 0
    const written = this.#written.get(id) ?? this.#find(id)
    let place = written?.place ?? null
    if (written?.dueAt !== dueAt) {
      place =
        this.#put.get(
          place,
          id,
          birth,
          seenAt,
          deadMs,
          batch,
          posted,
          acked,
          waiting,
          haunted,
          keepUntil,
          dueAt,
        )?.[0] ?? null
      this.#written.set(id, { place, dueAt })
    }
    const answer = this.#answers.get(id)
    if (answer === undefined) {
      this.#touch.run(place, birth, seenAt, deadMs, batch, posted, acked, waiting, haunted, keepUntil)
    } else {
      const text = writeAnswer(answer)
      this.#touchWithAnswer.run(place, birth, seenAt, deadMs, batch, posted, acked, waiting, haunted, keepUntil, text)
      this.#answers.delete(id)
    }
  }

  #find(id: string): Written | undefined {
    const row = this.#get.get(id)
    return row === undefined ? undefined : { place: row[0] ?? null, dueAt: Number(row[11]) }
  }
}

/** Which row a session stands in, and when the sweep looks at it. */
interface Written {
  readonly place: Value
  readonly dueAt: number
}

/** Messages until they are acknowledged. */
export class SqliteOutbox implements Outbox {
  readonly #insert: Statement
  readonly #after: Statement
  readonly #delete: Statement

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT INTO outbox (session, number, message) VALUES (?, ?, ?)')
    this.#after = database.prepare(
      'SELECT message FROM outbox WHERE session = ? AND number > ? ORDER BY number LIMIT ?',
    )
    this.#delete = database.prepare('DELETE FROM outbox WHERE session = ? AND number <= ?')
  }

  post(session: string, message: Message): void {
    this.#insert.run(session, message.number, JSON.stringify(message))
  }

  after(session: string, number: number, limit: number): readonly Message[] {
    return this.#after.all(session, number, limit).map(toMessage)
  }

  drop(session: string, upTo: number): void {
    this.#delete.run(session, upTo === Infinity ? Number.MAX_SAFE_INTEGER : upTo)
  }
}

function toMessage(row: Row): Message {
  return readText<Message>(row[0], ({ number, type }) => Number.isSafeInteger(number) && typeof type === 'string')
}

function toSession(row: readonly Value[]): SessionRow {
  const [, id, birth, seenAt, deadMs, batch, posted, acked, waiting, haunted, keepUntil, dueAt] = row
  const counts = { birth, seenAt, deadMs, batch, posted, acked, waiting, dueAt, keepUntil }
  return { id, ...counts, haunted: haunted === 1 } as SessionRow
}

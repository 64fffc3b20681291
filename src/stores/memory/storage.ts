import type { Answer, LoggedEvent, Message, PreviousView } from '../../core/store.ts'
import type {
  Claims,
  EventLog,
  MetaRow,
  NumberedEvent,
  Outbox,
  Previous,
  SessionRow,
  Sessions,
  TableStorage,
  Unsettled,
} from '../../core/table/storage.ts'
import { newMeta } from '../../core/table/table.ts'
import { Agenda } from './ordered.ts'
import { MemoryRequests } from './requests.ts'

/** The rows of a lock table in maps. */
export class MemoryStorage implements TableStorage {
  readonly requests: MemoryRequests = new MemoryRequests()
  readonly claims: Claims = this.requests.claims
  readonly sessions: Sessions = new MemorySessions()
  readonly outbox: Outbox = new MemoryOutbox()
  readonly unsettled: Unsettled = new MemoryUnsettled()
  readonly previous: Previous = new MemoryPrevious()
  readonly events: EventLog = new MemoryEvents()
  #meta: MetaRow

  constructor(epoch: string) {
    this.#meta = newMeta(epoch)
  }

  readMeta(): MetaRow {
    return this.#meta
  }

  writeMeta(meta: MetaRow): void {
    this.#meta = meta
  }
}

class MemorySessions implements Sessions {
  readonly #rows = new Map<string, SessionRow>()
  readonly #answers = new Map<string, Answer>()
  readonly #due = new Agenda<string>()

  get(id: string): SessionRow | undefined {
    return this.#rows.get(id)
  }

  put(row: SessionRow): void {
    const known = this.#rows.get(row.id)
    this.#rows.set(row.id, row)
    if (known?.dueAt === row.dueAt) return
    if (known !== undefined) this.#due.delete(known.dueAt, row.id)
    this.#due.add(row.dueAt, row.id)
  }

  delete(id: string): void {
    const known = this.#rows.get(id)
    if (known !== undefined) this.#due.delete(known.dueAt, id)
    this.#rows.delete(id)
    this.#answers.delete(id)
  }

  due(now: number): SessionRow | undefined {
    const [id] = this.#due.due(now, 1)
    return id === undefined ? undefined : this.#rows.get(id)
  }

  answer(id: string): Answer | undefined {
    return this.#answers.get(id)
  }

  saveAnswer(id: string, answer: Answer): void {
    this.#answers.set(id, answer)
  }
}

class MemoryOutbox implements Outbox {
  readonly #messages = new Map<string, Message[]>()

  post(session: string, message: Message): void {
    const messages = this.#messages.get(session)
    if (messages === undefined) this.#messages.set(session, [message])
    else messages.push(message)
  }

  after(session: string, number: number, limit: number): readonly Message[] {
    const messages = this.#messages.get(session) ?? []
    return messages.filter((message) => message.number > number).slice(0, limit)
  }

  drop(session: string, upTo: number): void {
    const kept = (this.#messages.get(session) ?? []).filter((message) => message.number > upTo)
    if (kept.length === 0) this.#messages.delete(session)
    else this.#messages.set(session, kept)
  }
}

class MemoryUnsettled implements Unsettled {
  readonly #ids = new Set<number>()

  add(id: number): void {
    this.#ids.add(id)
  }

  delete(id: number): void {
    this.#ids.delete(id)
  }

  first(limit: number): readonly number[] {
    return [...this.#ids].slice(0, limit)
  }
}

class MemoryPrevious implements Previous {
  /** In the order in which they ended: a map keeps the order of insertion. */
  readonly #views = new Map<string, PreviousView>()
  /** Stands behind what was forgotten: a new walk would step over the gaps that this leaves, each time. */
  #oldest = this.#views.keys()

  get(resourceId: string): PreviousView | undefined {
    return this.#views.get(resourceId)
  }

  put(view: PreviousView, keep: number): void {
    this.#views.delete(view.resourceId)
    this.#views.set(view.resourceId, view)
    while (this.#views.size > keep) {
      const { done, value } = this.#oldest.next()
      if (done) this.#oldest = this.#views.keys()
      else this.#views.delete(value)
    }
  }
}

class MemoryEvents implements EventLog {
  readonly #events: NumberedEvent[] = []

  append(first: number, events: readonly LoggedEvent[], forgetBefore: number): void {
    events.forEach((event, index) => this.#events.push({ number: first + index, event }))
    // Now and then, because each time moves what is kept.
    const outdated = forgetBefore - (this.#events[0]?.number ?? forgetBefore)
    if (outdated > this.#events.length / 2) this.#events.splice(0, outdated)
  }

  after(number: number, limit: number): readonly NumberedEvent[] {
    const start = Math.max(0, number + 1 - (this.#events[0]?.number ?? 0))
    return this.#events.slice(start, start + limit)
  }
}

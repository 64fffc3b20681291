import type { LoggedEvent, Message } from '../../src/core/store.ts'
import type { EventLog, Outbox, RequestRow, Requests, Sessions, TableStorage } from '../../src/core/table/storage.ts'

/** Who is told of every change of the rows, as it happens. */
export interface StorageObserver {
  inserted(row: RequestRow): void
  updated(row: RequestRow): void
  deleted(id: number): void
  logged(events: readonly LoggedEvent[]): void
  posted(session: string, message: Message): void
  forgotten(session: string): void
}

/** Rows that tell what is done to them. */
export class ObservedStorage implements TableStorage {
  readonly requests: Requests
  readonly sessions: Sessions
  readonly outbox: Outbox
  readonly events: EventLog
  readonly #inner: TableStorage

  constructor(inner: TableStorage, observer: StorageObserver) {
    this.#inner = inner
    this.requests = observedRequests(inner.requests, observer)
    this.sessions = observedSessions(inner.sessions, observer)
    this.outbox = {
      post: (session, message) => {
        inner.outbox.post(session, message)
        observer.posted(session, message)
      },
      after: (session, number, limit) => inner.outbox.after(session, number, limit),
      drop: (session, upTo) => inner.outbox.drop(session, upTo),
    }
    this.events = {
      append: (first, events, forgetBefore) => {
        inner.events.append(first, events, forgetBefore)
        observer.logged(events)
      },
      after: (number, limit) => inner.events.after(number, limit),
    }
  }

  get claims(): TableStorage['claims'] {
    return this.#inner.claims
  }

  get unsettled(): TableStorage['unsettled'] {
    return this.#inner.unsettled
  }

  get previous(): TableStorage['previous'] {
    return this.#inner.previous
  }

  readMeta(): ReturnType<TableStorage['readMeta']> {
    return this.#inner.readMeta()
  }

  writeMeta(meta: Parameters<TableStorage['writeMeta']>[0]): void {
    this.#inner.writeMeta(meta)
  }
}

function observedRequests(inner: Requests, observer: StorageObserver): Requests {
  return {
    get: (id) => inner.get(id),
    insert: (row) => {
      inner.insert(row)
      observer.inserted(row)
    },
    update: (row) => {
      inner.update(row)
      observer.updated(row)
    },
    delete: (row) => {
      inner.delete(row)
      observer.deleted(row.id)
    },
    due: (now, limit) => inner.due(now, limit),
    nextWanted: () => inner.nextWanted(),
    behind: (blocker, limit) => inner.behind(blocker, limit),
    ofChain: (chain, state, limit) => inner.ofChain(chain, state, limit),
    waitingOf: (session, limit) => inner.waitingOf(session, limit),
  }
}

function observedSessions(inner: Sessions, observer: StorageObserver): Sessions {
  return {
    get: (id) => inner.get(id),
    put: (row) => inner.put(row),
    delete: (id) => {
      inner.delete(id)
      observer.forgotten(id)
    },
    due: (now) => inner.due(now),
    answer: (id) => inner.answer(id),
    saveAnswer: (id, answer) => inner.saveAnswer(id, answer),
  }
}

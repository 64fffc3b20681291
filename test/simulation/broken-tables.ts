import type { Batch } from '../../src/core/store.ts'
import type { Claims, Requests, Sessions, TableStorage } from '../../src/core/table/storage.ts'
import { realTable, type Table } from './store-node.ts'
import type { Invariant } from './verdict.ts'

/** The real table with one thing wrong about it, and what that breaks. */
export interface BrokenTable {
  readonly what: string
  readonly breaks: readonly Invariant[]
  readonly table: Table
}

/** Rows that are read or written wrongly in one place. */
function overRows(change: (rows: TableStorage) => Partial<TableStorage>): Table {
  return (rows, batch, surroundings) => {
    const changed: TableStorage = {
      claims: rows.claims,
      requests: rows.requests,
      sessions: rows.sessions,
      outbox: rows.outbox,
      unsettled: rows.unsettled,
      previous: rows.previous,
      events: rows.events,
      readMeta: () => rows.readMeta(),
      writeMeta: (meta) => rows.writeMeta(meta),
      ...change(rows),
    }
    return realTable(changed, batch, surroundings)
  }
}

/** The methods of one kind of rows, some of them exchanged. The rows may be objects of a class. */
function withChanges<T extends object>(rows: T, changes: Partial<T>): T {
  return new Proxy(rows, {
    get(target, name) {
      const changed: unknown = Reflect.get(changes, name)
      if (changed !== undefined) return changed
      const found: unknown = Reflect.get(target, name)
      return typeof found === 'function' ? (found.bind(target) as unknown) : found
    },
  })
}

const overClaims = (changes: (claims: Claims) => Partial<Claims>): Table =>
  overRows(({ claims }) => ({ claims: withChanges(claims, changes(claims)) }))

const overRequests = (changes: (requests: Requests) => Partial<Requests>): Table =>
  overRows(({ requests }) => ({ requests: withChanges(requests, changes(requests)) }))

const overSessions = (changes: (sessions: Sessions) => Partial<Sessions>): Table =>
  overRows(({ sessions }) => ({ sessions: withChanges(sessions, changes(sessions)) }))

const overBatch = (change: (batch: Batch) => Batch): Table => {
  return (rows, batch, surroundings) => realTable(rows, change(batch), surroundings)
}

export const brokenTables: readonly BrokenTable[] = [
  {
    what: 'newcomers overtake the line',
    breaks: ['fifo'],
    table: overClaims((claims) => ({
      inTheWay: (...asked) => ({ ...claims.inTheWay(...asked), waiting: undefined }),
    })),
  },
  {
    what: 'a tree claim does not see what is held under it',
    breaks: ['exclusion'],
    table: overClaims((claims) => ({
      inTheWay: (place, ...asked) =>
        place === 'under' ? { waiting: undefined, held: undefined } : claims.inTheWay(place, ...asked),
    })),
  },
  {
    what: 'whoever waits is forgotten when its blocker ends',
    breaks: ['idle'],
    table: overRequests(() => ({ behind: () => [] })),
  },
  {
    what: 'nothing expires unless somebody stumbles over it',
    breaks: ['expiry'],
    table: overRequests(() => ({ due: () => [] })),
  },
  {
    what: 'the end of a line is not told that its head was granted: lost pushes are never repaired',
    breaks: ['outbox', 'served', 'lost', 'left'],
    table: overRows(({ outbox }) => ({ outbox: withChanges(outbox, { after: () => [] }) })),
  },
  {
    what: 'a repeated batch is executed again',
    breaks: ['lost', 'fresh', 'log', 'expiry', 'exclusion', 'outbox', 'served', 'belief', 'extension'],
    table: overSessions((sessions) => ({
      answer: () => undefined,
      get: (id) => {
        const row = sessions.get(id)
        return row === undefined ? undefined : { ...row, batch: 0 }
      },
    })),
  },
  {
    what: 'the fencing token is a plain counter that starts again',
    breaks: ['token'],
    table: (rows, batch, surroundings) => realTable(rows, { ...batch, floor: 0 }, { ...surroundings, wallNow: 0 }),
  },
  {
    what: 'a store that went back is not noticed',
    breaks: ['told', 'fresh'],
    table: overBatch((batch) => ({ ...batch, answered: 0, lastId: 0 })),
  },
  {
    what: 'a lease lasts a little shorter than its holder is told',
    breaks: ['belief', 'extension'],
    table: overRequests((requests) => ({
      insert: (row) =>
        requests.insert(row.lease === null || row.dueAt === null ? row : { ...row, dueAt: row.dueAt - 100 }),
    })),
  },
]

import { expect } from 'vitest'
import type { HeldRow, RequestRow, TableStorage } from '../../src/core/table/storage.ts'
import { clashes } from './naive.ts'

/** The rows of a table, read one by one. */
export interface Rows {
  readonly waiting: readonly RequestRow[]
  readonly held: readonly HeldRow[]
  readonly storage: TableStorage
  readonly now: number
}

export function rowsOf(storage: TableStorage, now: number): Rows {
  const rows = Array.from({ length: storage.readMeta().lastId }, (_, index) => storage.requests.get(index + 1))
  const present = rows.filter((row) => row !== undefined)
  return {
    waiting: present.filter(({ lease }) => lease === null),
    held: present.filter((row): row is HeldRow => row.lease !== null && row.dueAt !== null),
    storage,
    now,
  }
}

function isLiveRow({ storage, now }: Rows, row: RequestRow): boolean {
  if (row.dueAt !== null && row.dueAt <= now) return false
  const session = storage.sessions.get(row.session)
  if (row.lease !== null) return true
  return session !== undefined && session.birth === row.birth && session.seenAt + session.deadMs > now
}

/** Who holds a request back, by the rule. */
export function holdsBack(rows: Rows, row: RequestRow): RequestRow[] {
  const holders = rows.held.filter((held) => isLiveRow(rows, held) && clashes(held.claims, row.claims) > 0)
  const earlier = rows.waiting.filter(
    (other) =>
      other.id < row.id &&
      isLiveRow(rows, other) &&
      clashes(other.claims, row.claims) > 0 &&
      !waitsForChain(rows, other, row.chain),
  )
  return [...holders, ...earlier]
}

function waitsForChain(rows: Rows, waiter: RequestRow, chain: string | null): boolean {
  return (
    chain !== null &&
    rows.held.some((held) => held.chain === chain && isLiveRow(rows, held) && clashes(held.claims, waiter.claims) > 0)
  )
}

/** What is true after every batch. */
export function expectSafety(rows: Rows): void {
  const live = rows.held.filter((row) => isLiveRow(rows, row))
  for (const one of live) {
    for (const other of live)
      if (one.id < other.id)
        expect(clashes(one.claims, other.claims), `${one.id} and ${other.id} are both held`).toBe(0)
  }
  for (const id of new Set([...rows.waiting, ...rows.held].map(({ session }) => session))) {
    const session = rows.storage.sessions.get(id)
    const waiting = rows.waiting.filter((row) => row.session === id)
    expect(session?.waiting ?? 0, `the count of those that wait for ${id}`).toBe(waiting.length)
    expect(rows.storage.requests.waitingOf(id, 10_000).map((row) => row.id)).toEqual(waiting.map((row) => row.id))
    const earlierBirth = waiting.some((row) => row.birth !== session?.birth)
    expect(!earlierBirth || session?.haunted === true, `${id} is haunted`).toBe(true)
  }
  const unsettled = new Set(rows.storage.unsettled.first(1_000_000))
  expect(unsettled.size).toBe(rows.storage.readMeta().unsettled)
  for (const row of rows.waiting) expectRemembered(rows, row, unsettled)
}

/** A waiter remembers somebody who stands in its way, or who has just ended and will be settled. */
function expectRemembered(rows: Rows, row: RequestRow, unsettled: ReadonlySet<number>): void {
  expect(row.blocker, `${row.id} remembers somebody`).not.toBeNull()
  if (row.blocker === null) return
  expect(rows.storage.requests.behind(row.blocker, 10_000).some(({ id }) => id === row.id)).toBe(true)
  if (unsettled.has(row.blocker)) return
  const blocker = rows.storage.requests.get(row.blocker)
  expect(blocker, `${row.id} remembers ${row.blocker}, which is gone`).toBeDefined()
  if (blocker === undefined) return
  expect(
    clashes(blocker.claims, row.claims),
    `${row.id} remembers ${blocker.id}, which does not stand in its way`,
  ).toBeGreaterThan(0)
  expect(blocker.lease !== null || blocker.id < row.id).toBe(true)
  if (!isLiveRow(rows, row) || !isLiveRow(rows, blocker)) return
  const inTheWay = holdsBack(rows, row).map(({ id }) => id)
  expect(inTheWay, `${row.id} remembers ${blocker.id}, which does not hold it back`).toContain(blocker.id)
}

/** What is true once nothing is left to do: the rule itself. */
export function expectSettled(rows: Rows): void {
  expect(rows.storage.readMeta().unsettled).toBe(0)
  for (const row of [...rows.waiting, ...rows.held])
    expect(isLiveRow(rows, row), `${row.id} is dead and still there`).toBe(true)
  for (const row of rows.waiting)
    expect(holdsBack(rows, row), `nobody holds ${row.id} back, and it waits`).not.toEqual([])
  const wanted = rows.held.filter(
    ({ lease, claims }) => lease.wanted || rows.waiting.every((row) => clashes(row.claims, claims) === 0),
  )
  expect(wanted, 'a lease that somebody waits for does not know it').toHaveLength(rows.held.length)
  const next = rows.held.filter(({ lease }) => lease.wanted).map(({ dueAt }) => dueAt)
  expect(rows.storage.requests.nextWanted()).toBe(next.length === 0 ? undefined : Math.min(...next))
}

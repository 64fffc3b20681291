import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { prepareFile } from '../../src/stores/sqlite/creation.ts'
import { type Database, openDatabase } from '../../src/stores/sqlite/engine.ts'
import { TABLES } from '../../src/stores/sqlite/schema.ts'
import { SqliteStorage } from '../../src/stores/sqlite/storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-queries-'))
const file = join(folder, 'locks.db')
const database = openDatabase(file)
prepareFile(database, file, { identity: { boot: 'b', timeNamespace: 't' }, now: 0, wallNow: 0 })

afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

/** Every statement that the rows are read and written with. */
function statements(): string[] {
  const prepared: string[] = []
  const recorder: Database = {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => {
      prepared.push(sql.replace(/\s+/gu, ' '))
      return database.prepare(sql)
    },
    close: () => undefined,
    rollback: () => undefined,
  }
  const storage = new SqliteStorage(recorder)
  // The index of previous holders is made, and used, only when there are too many of them.
  for (const resourceId of ['r:a', 'r:b']) {
    storage.previous.put({ resourceId, agentId: 'a', wallUntil: 0, fence: 1, reason: null }, 1)
  }
  return prepared.filter((sql) => !sql.startsWith('PRAGMA') && !sql.startsWith('INSERT'))
}

/** How SQLite would execute a statement, one line for each table that it looks at. */
function planOf(sql: string): string[] {
  return database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row[3]))
}

/**
 * Reads that go through a whole table, index or result. Not among them: the one row of `namespace`, and reads that
 * take what comes first in an index and end with their LIMIT.
 */
function reading(plan: readonly string[]): string[] {
  const first = [
    'requests USING COVERING INDEX requests_waiting',
    'previous USING COVERING INDEX previous_by_place',
    'unsettled',
  ]
  const bounded = ['n', 'namespace', 'CONSTANT ROW', ...first].map((what) => `SCAN ${what}`)
  return plan.filter((line) => /SCAN (?!\(subquery)|TEMP B-TREE|AUTOMATIC/u.test(line) && !bounded.includes(line))
}

describe('the statements of the SQLite store', () => {
  const all = statements()

  test('are found', () => {
    expect(all.length).toBeGreaterThan(40)
  })

  test.each(all)('read points and ranges of an index: %s', (sql) => {
    expect(reading(planOf(sql))).toEqual([])
  })

  test('would be caught if they read a whole table', () => {
    expect(reading(planOf('SELECT id FROM requests ORDER BY agent_id'))).toHaveLength(2)
  })
})

test('every table is among those that a reboot empties', () => {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  expect(new Set(tables.map(([name]) => name))).toEqual(new Set(TABLES))
})

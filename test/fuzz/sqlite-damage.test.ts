import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import { ResourceLockManager } from '../../src/open.ts'
import { TABLES } from '../../src/stores/sqlite/schema.ts'
import { actor, LockFiles } from '../support/lock-files.ts'
import { runs } from './material.ts'

const files = new LockFiles()
const pristine = files.path('pristine.db')

/** A file with leases, a line, events and earlier holders in it. */
beforeAll(async () => {
  const store = await files.open(pristine)
  const [alice, bob] = [actor(store), actor(store)]
  for (let count = 0; count < 40; count += 1) await alice.acquire(`r:${count}`, { ttlMs: 3_600_000 })
  await alice.release(await alice.acquire('r:released'))
  await alice.acquire('r:tree/**', { ttlMs: 3_600_000 })
  for (let count = 0; count < 5; count += 1) await bob.queue('r:tree/leaf', { waitMs: null, chain: `chain-${count}` })
  await store.close()
  const database = new DatabaseSync(pristine)
  database.exec('PRAGMA journal_mode = DELETE')
  database.close()
})
afterAll(() => files.dispose())

let copies = 0

/** A copy of the file, damaged. */
function damaged(damage: (path: string) => void): string {
  copies += 1
  const path = files.path(`damaged-${copies}.db`)
  copyFileSync(pristine, path)
  damage(path)
  return path
}

/** Uses a file as a manager does. What fails must fail with an error of the library; the rest must be true. */
async function use(path: string): Promise<void> {
  const locks = new ResourceLockManager({ store: `sqlite:${path}`, metrics: false })
  const attempts: (() => Promise<unknown>)[] = [
    async () => {
      const lock = await locks.acquire('r:new', { agentId: 'new', waitTimeout: '50ms' })
      expect(lock.isHeld).toBe(true)
      await lock.release()
    },
    () => locks.acquire('r:tree/leaf', { agentId: 'new', waitTimeout: 0 }),
    () => locks.acquire('r:**', { agentId: 'new', waitTimeout: '20ms' }),
    () => locks.getLockInfo('r:1'),
    () => locks.listLocks().next(),
    () => locks.watch({ since: `${'0'.repeat(32)}.0` }).next(),
    () => locks.forceUnlock('r:2', { adminAgentId: 'new', reason: 'damage' }),
  ]
  for (const attempt of attempts) {
    try {
      await attempt()
    } catch (error) {
      if (!isResourceLockError(error)) throw error
    }
  }
  await locks.close()
}

const value = fc.constantFrom<string>(
  'NULL',
  '-1',
  '0',
  '1e18',
  "''",
  "'{'",
  "'null'",
  "'[]'",
  "x'00ff'",
  '9007199254740993',
)

describe('a SQLite file that somebody else has written to', () => {
  test('byte by byte: it works, or is refused in words', { timeout: 300_000 }, async () => {
    const { length } = readFileSync(pristine)
    const places = fc.array(fc.tuple(fc.nat({ max: length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 20,
    })
    await fc.assert(
      fc.asyncProperty(places, async (changes) => {
        const path = damaged((file) => {
          const bytes = readFileSync(file)
          for (const [place, byte] of changes) bytes[place] = byte
          writeFileSync(file, bytes)
        })
        await use(path)
      }),
      { numRuns: runs(0.4) },
    )
  })

  test('cut off somewhere: it works, or is refused in words', { timeout: 300_000 }, async () => {
    const { length } = readFileSync(pristine)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: length }), async (left) => {
        await use(damaged((file) => truncateSync(file, left)))
      }),
      { numRuns: runs(0.2) },
    )
  })

  test('row by row: it works, or is refused in words', { timeout: 300_000 }, async () => {
    const database = new DatabaseSync(pristine, { readOnly: true })
    const columns = TABLES.flatMap((table) =>
      database
        .prepare(`SELECT name FROM pragma_table_info('${table}')`)
        .all()
        .map(({ name }) => ({ table, column: String(name) })),
    )
    database.close()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...columns), value, async ({ table, column }, written) => {
        const path = damaged((file) => {
          const changed = new DatabaseSync(file)
          try {
            changed.exec(`UPDATE OR IGNORE ${table} SET ${column} = ${written}`)
          } catch {
            changed.exec(`DELETE FROM ${table}`)
          } finally {
            changed.close()
          }
        })
        await use(path)
      }),
      { numRuns: runs(1) },
    )
  })
})

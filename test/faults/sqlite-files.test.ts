import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LockStore } from '../../src/core/store.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import { actor, LockFiles, unavailable } from '../support/lock-files.ts'

let files: LockFiles
beforeEach(() => {
  files = new LockFiles()
})
afterEach(() => files.dispose())

/** A lock file that was used and closed. */
async function usedFile(): Promise<string> {
  const store = await files.open()
  const alice = actor(store)
  for (let count = 0; count < 200; count += 1) await alice.acquire(`r:${count}`)
  await store.close()
  return files.path()
}

function remove(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

/** Changes a file with SQL, from outside. */
function change(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

describe('a new file', () => {
  test('is made once, by however many processes', { timeout: 30_000 }, async () => {
    const path = files.path('new/locks.db')
    const processes = Array.from({ length: 10 }, () => files.start('open', path))
    const epochs = await Promise.all(processes.map(async (each) => (await each.says('ready')).epoch))
    expect(new Set(epochs).size).toBe(1)
    expect(statSync(files.path('new')).mode & 0o777).toBe(0o700)
  })

  test.each(['', ':memory:'])('is not made at %j', (path) => {
    expect(() => sqliteStore(path)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  test('is refused where a folder has its name, or a file the name of its folder', async () => {
    writeFileSync(files.path('taken'), '')
    await expect(files.open(files.path('taken/locks.db'))).rejects.toMatchObject(unavailable(/could not be opened/u))
    await expect(files.open(files.folder)).rejects.toMatchObject(unavailable(/could not be opened/u))
  })

  test('is refused, and not tried for ever, where no folder can be made', async () => {
    await expect(files.open('/proc/holdfast/x/locks.db')).rejects.toMatchObject(
      unavailable(/could not be opened|denied/u),
    )
  })

  test('is made for each namespace', async () => {
    const driver = sqliteStore(files.path())
    const [one, other] = [await driver.open('one'), await driver.open('other')]
    await actor(one).acquire('r:a')
    await actor(other).acquire('r:a')
    expect([one.name, other.name]).toEqual([
      `sqlite:${files.path('locks.one.db')}`,
      `sqlite:${files.path('locks.other.db')}`,
    ])
    await one.close()
    await other.close()
  })
})

describe('a file that is not to be used', () => {
  test('because a later version made it, is left as it is', async () => {
    const path = await usedFile()
    change(path, 'PRAGMA user_version = 99')
    const before = readFileSync(path)
    await expect(files.open()).rejects.toMatchObject(unavailable(/later version of Holdfast.*99.*Upgrade/su))
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('because it is a database of something else, is left as it is', async () => {
    change(files.path(), "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
    const before = readFileSync(files.path())
    await expect(files.open()).rejects.toMatchObject(unavailable(/database of something else/u))
    expect(readFileSync(files.path()).equals(before)).toBe(true)
  })

  test('because it is no database, is left as it is', async () => {
    writeFileSync(files.path(), 'Dear diary, '.repeat(1000))
    await expect(files.open()).rejects.toMatchObject(
      unavailable(/damaged, or is no SQLite database.*neither changed nor deleted/su),
    )
    expect(readFileSync(files.path(), 'utf8')).toBe('Dear diary, '.repeat(1000))
  })

  test('because its pages were overwritten, is reported as damaged and not deleted', async () => {
    const path = await usedFile()
    const bytes = readFileSync(path)
    bytes.fill(0x5a, 2048)
    writeFileSync(path, bytes)
    const use = async (): Promise<unknown> => actor(await files.open()).acquire('r:a')
    await expect(use()).rejects.toMatchObject(
      unavailable(/locks\.db is damaged.*neither changed nor deleted.*move it/su),
    )
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })
})

describe('a file that was taken away while it was in use', () => {
  /** Its next calls, until one was answered by another file. */
  async function answeredAnew(store: LockStore): Promise<string> {
    const someone = actor(store)
    const { epoch } = await someone.heartbeat()
    remove(files.path())
    await vi.waitFor(async () => expect((await someone.heartbeat()).outcomes).toBeNull(), {
      timeout: 5000,
      interval: 100,
    })
    return epoch
  }

  test('is lost data: a new one with a new epoch is made, and all meet there', async () => {
    const [here, there] = [await files.open(), await files.open()]
    const { fence } = await actor(here).acquire('r:a')
    const epoch = await answeredAnew(here)
    const bob = actor(there)
    await vi.waitFor(async () => expect((await bob.heartbeat()).epoch).not.toBe(epoch), {
      timeout: 5000,
      interval: 100,
    })
    const lease = await actor(here).acquire('r:a')
    expect(lease.fence).toBeGreaterThan(fence)
    expect(await actor(there).attempt('r:a')).toBeUndefined()
  })

  test('is refused if something else stands in its place', async () => {
    const alice = actor(await files.open())
    await alice.acquire('r:a')
    remove(files.path())
    change(files.path(), 'CREATE TABLE notes (text TEXT)')
    await expect(async () => {
      for (;;) await alice.heartbeat()
    }).rejects.toMatchObject(unavailable(/database of something else/u))
  })
})

describe('a closed store', () => {
  test('answers no more', async () => {
    const store = await files.open(join(files.folder, 'a.db'))
    await store.close()
    await expect(actor(store).heartbeat()).rejects.toMatchObject(unavailable(/was closed/u))
    await expect(actor(store).subscribe()).rejects.toMatchObject(unavailable(/was closed/u))
    await store.close()
  })
})

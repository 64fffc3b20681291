import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ResourceLockManager } from '../../src/open.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import { actor, LockFiles, unavailable } from '../support/lock-files.ts'
import { mountReadOnly, mountSmallDisk, resizeDisk, unmount } from '../support/privileges.ts'

let files: LockFiles
beforeEach(() => {
  files = new LockFiles()
})
afterEach(() => files.dispose())

describe('a full disk', () => {
  test('fails the call, which can be repeated once there is room', { timeout: 30_000 }, async () => {
    const folder = files.path('small')
    mkdirSync(folder)
    if (!mountSmallDisk(folder, 512)) return failsBeyondLimit()
    files.afterwards(() => unmount(folder))
    const store = await files.open(join(folder, 'locks.db'))
    const alice = actor(store)
    const metadata = JSON.stringify('x'.repeat(4000))
    let taken = 0
    await expect(async () => {
      for (; taken < 10_000; taken += 1) await alice.acquire(`r:${taken}`, { metadata })
    }).rejects.toMatchObject(unavailable(/disk that .*locks\.db is on is full.*repeated/su))
    await expect(lockOnce(join(folder, 'locks.db'))).rejects.toMatchObject(unavailable(/is full/u))
    expect(resizeDisk(folder, 10_000)).toBe(true)
    expect((await alice.repeat()).outcomes).toMatchObject([{ type: 'granted' }])
    expect((await alice.list()).leases).toHaveLength(Math.min(taken + 1, 256))
  })

  /** Where no disk can be made: a process that may not write long files. */
  async function failsBeyondLimit(): Promise<void> {
    const limited = files.start('fill', files.path(), { through: ['prlimit', '--fsize=400000'] })
    expect(await limited.says('failed')).toMatchObject(unavailable(/disk|locks\.db/u))
    await expect(files.open()).resolves.toBeDefined()
  }
})

/** As a user does: what SQLite says must come through, not that nobody answered. */
async function lockOnce(path: string): Promise<void> {
  await using locks = new ResourceLockManager({ store: sqliteStore(path), metrics: false })
  await locks.acquire('r:another', { agentId: 'bob', metadata: { note: 'x'.repeat(4000) } })
}

/** Tries to use a file in a folder that nobody, or nobody else, may write to. */
async function tryReadOnly(folder: string): Promise<unknown> {
  const path = join(folder, 'locks.db')
  if (mountReadOnly(folder)) {
    files.afterwards(() => unmount(folder))
    return files.open(path).then(
      async (store) => actor(store).acquire('r:a'),
      (error: unknown) => error,
    )
  }
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o444)
  chmodSync(folder, 0o555)
  files.afterwards(() => chmodSync(folder, 0o755))
  chmodSync(files.folder, 0o755)
  const isRoot = process.getuid?.() === 0
  return files.start('open', path, isRoot ? { uid: 65_534 } : {}).says('failed')
}

describe('a folder that cannot be written to', () => {
  test('refuses a new file', async () => {
    const folder = files.path('sealed')
    mkdirSync(folder)
    expect(await tryReadOnly(folder)).toMatchObject(unavailable(/locks\.db.*(?:denied|opened|read-only)/su))
    expect(readdirSync(folder)).toEqual([])
  })

  test('refuses a file that is there, and leaves it as it is', async () => {
    const folder = files.path('sealed')
    const store = await files.open(join(folder, 'locks.db'))
    await actor(store).acquire('r:a')
    await store.close()
    const before = readFileSync(join(folder, 'locks.db'))
    expect(await tryReadOnly(folder)).toMatchObject(unavailable(/locks\.db.*(?:denied|opened|read-only)/su))
    expect(readFileSync(join(folder, 'locks.db')).equals(before)).toBe(true)
  })
})

import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sqliteStore, type SqliteStoreOptions } from '../../src/stores/sqlite/index.ts'
import { actor, LockFiles, unavailable } from '../support/lock-files.ts'
import { inOtherTimeNamespace } from '../support/privileges.ts'

let files: LockFiles
beforeEach(() => {
  files = new LockFiles()
})
afterEach(() => files.dispose())

const ANOTHER_CLOCK = unavailable(/in use by processes whose clock is not this process's.*Nothing was changed/su)
const WALL_MS = 1_800_000_000_000

interface Given {
  readonly boot?: string
  readonly timeNamespace?: string
  readonly leaseMs?: () => number
  readonly wallMs?: () => number
}

/** A clock that stands, unless it is given another. */
function clock({ boot = 'a', timeNamespace = 't', leaseMs, wallMs }: Given): SqliteStoreOptions {
  const identity = { boot, timeNamespace }
  return { clock: { identity, leaseMs: leaseMs ?? ((): number => 5000), wallMs: wallMs ?? ((): number => WALL_MS) } }
}

const later = (ms: number) => (): number => WALL_MS + ms

describe('after a reboot', () => {
  test('the file starts a new epoch with nothing in it, and its fencing tokens go on rising', async () => {
    const before = await files.open(files.path(), clock({}))
    const alice = actor(before)
    await alice.send([alice.asking('r:a')], { floor: (WALL_MS + 59_000) * 1000 })
    const { fence } = await alice.acquire('r:b')
    await before.close()
    const after = await files.open(files.path(), clock({ boot: 'b', leaseMs: () => 10, wallMs: later(20_000) }))
    const bob = actor(after)
    const lease = await bob.acquire('r:a')
    expect(bob.epoch).not.toBe(alice.epoch)
    expect(lease.fence).toBeGreaterThan(fence)
    expect(lease.previous).toEqual([])
    expect((await bob.list()).leases).toHaveLength(1)
  })

  test('a file of the last seconds is watched before it is emptied', { timeout: 20_000 }, async () => {
    const before = await files.open(files.path(), clock({}))
    await actor(before).acquire('r:a')
    await before.close()
    const start = performance.now()
    // Two at once: the second finds it done.
    const options = clock({ boot: 'b', leaseMs: () => 10, wallMs: later(2000) })
    const stores = await Promise.all([files.open(files.path(), options), files.open(files.path(), options)])
    expect(performance.now() - start).toBeGreaterThan(6000)
    const [one, other] = await Promise.all(stores.map(async (store) => (await actor(store).heartbeat()).epoch))
    expect(one).toBe(other)
  })

  test('waiting for that can be given up', async () => {
    const before = await files.open(files.path(), clock({}))
    await actor(before).acquire('r:a')
    const abort = new AbortController()
    const opening = sqliteStore(files.path(), clock({ boot: 'b' })).open('default', abort.signal)
    setTimeout(() => abort.abort(new Error('enough')), 100)
    await expect(opening).rejects.toThrow('enough')
    expect((await actor(before).list()).leases).toHaveLength(1)
  })
})

describe('another clock', () => {
  test('on a machine that uses the file now, is refused', async () => {
    const start = performance.now()
    const ticking = clock({
      leaseMs: () => performance.now() - start,
      wallMs: () => WALL_MS + performance.now() - start,
    })
    const alice = actor(await files.open(files.path(), ticking))
    await alice.acquire('r:a')
    const beat = setInterval(() => void alice.heartbeat(), 100)
    await expect(files.open(files.path(), clock({ boot: 'b', wallMs: later(1000) }))).rejects.toMatchObject(
      ANOTHER_CLOCK,
    )
    clearInterval(beat)
    expect((await alice.list()).leases).toHaveLength(1)
  })

  test('of the same boot is refused while a lease may be live, and its leases are not swept', async () => {
    const alice = actor(await files.open(files.path(), clock({})))
    await alice.acquire('r:a', { ttlMs: 60_000 })
    const other = { timeNamespace: 'u', leaseMs: (): number => 9_000_000 }
    for (const ms of [0, 11_000, 59_000]) {
      await expect(files.open(files.path(), clock({ ...other, wallMs: later(ms) }))).rejects.toMatchObject(
        ANOTHER_CLOCK,
      )
    }
    expect((await alice.list()).leases).toHaveLength(1)
    const bob = actor(await files.open(files.path(), clock({ ...other, wallMs: later(61_000) })))
    expect(await bob.attempt('r:a')).toBeDefined()
    await expect(alice.heartbeat()).rejects.toMatchObject(ANOTHER_CLOCK)
  })

  test('is seen where the file is ahead of it although the identity is the same', async () => {
    const alice = actor(await files.open(files.path(), clock({ leaseMs: () => 50_000 })))
    await alice.acquire('r:a')
    await expect(files.open(files.path(), clock({ leaseMs: () => 48_000 }))).rejects.toMatchObject(ANOTHER_CLOCK)
    await expect(files.open(files.path(), clock({ leaseMs: () => 49_500 }))).resolves.toBeDefined()
  })

  test('of a time namespace is refused', { timeout: 20_000 }, async () => {
    const alice = actor(await files.open())
    await alice.acquire('r:a')
    const through = inOtherTimeNamespace()
    if (through === undefined) {
      // This machine makes none: then the file says that it is from one.
      const database = new DatabaseSync(files.path())
      database.exec("UPDATE namespace SET clock = 'monotonic+5000.000000000'")
      database.close()
    }
    const elsewhere = files.start('open', files.path(), through === undefined ? {} : { through })
    expect(await elsewhere.says('failed')).toMatchObject(ANOTHER_CLOCK)
  })
})

test('a wall clock that is set back shuts out nobody who was given a fencing token before', async () => {
  let wallMs = WALL_MS
  const store = await files.open(files.path(), clock({ wallMs: () => wallMs }))
  const alice = actor(store)
  const lease = await alice.acquire('r:a')
  alice.floor = lease.fence
  wallMs -= 3_600_000
  expect((await alice.release(lease)).released).toBe(true)
  const next = await alice.acquire('r:a')
  expect(next.fence).toBe(lease.fence + 1)
  await expect(alice.send([], { floor: next.fence + 1 })).rejects.toMatchObject({ code: 'INVALID' })
})

import { readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { actor, LockFiles } from '../support/lock-files.ts'

let files: LockFiles
beforeEach(() => {
  files = new LockFiles()
})
afterEach(() => files.dispose())

function integrityOf(path: string): unknown {
  const database = new DatabaseSync(path)
  try {
    return database.prepare('PRAGMA integrity_check').get()?.['integrity_check']
  } finally {
    database.close()
  }
}

describe('a process that is killed', () => {
  test('in the middle of a transaction leaves the rows as they were', async () => {
    const store = await files.open()
    const alice = actor(store)
    const lease = await alice.acquire('r:a')
    const killed = files.start('hang')
    await killed.says('inside')
    const release = alice.release(lease)
    await killed.kill()
    expect(await release).toMatchObject({ released: true })
    expect(integrityOf(files.path())).toBe('ok')
  })

  test('loses its lease to whoever waits, at the end of the lease', async () => {
    const killed = files.start('hold')
    const { fence } = await killed.says('held')
    const store = await files.open()
    const alice = actor(store)
    const subscription = await alice.subscribe()
    const place = await alice.queue('r:held')
    await killed.kill()
    await vi.waitFor(() => alice.granted(place), { timeout: 10_000, interval: 50 })
    const [granted] = await alice.told(place, 'granted')
    expect(granted).toMatchObject({ previous: [{ fence }] })
    await subscription.close()
  })

  test('under load harms nobody else', { timeout: 60_000 }, async () => {
    const processes = Array.from({ length: 4 }, () => files.start('hammer'))
    for (const each of processes) await each.says('turns')
    for (const each of processes.slice(0, 2)) {
      await sleep(150)
      await each.kill()
    }
    const survivors = processes.slice(2)
    const before = survivors.map(({ reports }) => reports.length)
    await vi.waitFor(
      () => survivors.forEach(({ reports }, i) => expect(reports.length).toBeGreaterThan((before[i] ?? 0) + 3)),
      {
        timeout: 20_000,
      },
    )
    for (const each of survivors) await each.kill()
    expect(
      processes.flatMap(({ reports }) => reports.filter(({ says }) => says === 'violation' || says === 'failed')),
    ).toEqual([])
    expect(integrityOf(files.path())).toBe('ok')
    const alice = actor(await files.open())
    await vi.waitFor(
      async () => {
        await alice.settle()
        expect((await alice.list()).leases).toEqual([])
      },
      { timeout: 5000, interval: 50 },
    )
    expect(await alice.attempt('r:shared')).toBeDefined()
  })
})

describe('a process that stands still inside a transaction', () => {
  test(
    'makes the call of another one fail with what to do, and its event loop goes on turning',
    { timeout: 20_000 },
    async () => {
      const store = await files.open()
      const alice = actor(store)
      const lease = await alice.acquire('r:a')
      const hanging = files.start('hang')
      await hanging.says('inside')
      let turns = 0
      const timer = setInterval(() => (turns += 1), 5)
      await expect(alice.release(lease)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/kept the lock database busy for .* ms.*locks\.db/su) as string,
      })
      clearInterval(timer)
      expect(turns).toBeGreaterThan(100)
      await hanging.kill()
      expect((await alice.repeat()).outcomes).toMatchObject([{ type: 'released', released: true }])
    },
  )
})

describe('two processes', () => {
  test('hand a lock over without a heartbeat', async () => {
    const [here, there] = [await files.open(), await files.open()]
    const [alice, bob] = [actor(here), actor(there)]
    const lease = await alice.acquire('r:a')
    await bob.subscribe()
    const place = await bob.queue('r:a')
    const start = performance.now()
    await alice.release(lease)
    await vi.waitFor(() => expect(bob.pushed).toMatchObject([{ type: 'granted', id: place.id }]), { interval: 1 })
    expect(performance.now() - start).toBeLessThan(1000)
  })

  test('see the log of the other grow', async () => {
    const [here, there] = [await files.open(), await files.open()]
    const grown = vi.fn<() => void>()
    const subscription = await here.follow(grown)
    await actor(there).acquire('r:a')
    await vi.waitFor(() => expect(grown).toHaveBeenCalled(), { interval: 1, timeout: 900 })
    await subscription.close()
  })

  test('leave no wake file behind, and remove those of processes that died', async () => {
    const store = await files.open()
    const subscription = await actor(store).subscribe()
    const [own = '', ...others] = readdirSync(files.path('locks.db-wake'))
    expect(others).toEqual([])
    const old = files.path(`locks.db-wake/${'0'.repeat(32)}`)
    writeFileSync(old, '')
    utimesSync(old, 1, 1)
    await files.open()
    expect(readdirSync(files.path('locks.db-wake'))).toEqual([own])
    await subscription.close()
    expect(readdirSync(files.path('locks.db-wake'))).toEqual([])
  })
})

describe('a process with an open store', () => {
  test('ends by itself, also when it is subscribed, and prints no warning', async () => {
    const leaving = files.start('leave')
    await leaving.says('ready')
    expect(await leaving.end()).toBe(0)
    expect(leaving.errors).toBe('')
  })
})

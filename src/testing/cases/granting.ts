import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

export const grantingTopic: ContractTopic = {
  topic: 'grant rule',
  cases: [
    {
      title: 'requests that conflict are granted in the order in which they came',
      run: async (world) => {
        const [holder, ...waiters] = world.sessions('holder', 'first', 'second', 'third')
        let held = await holder.acquire('file:x')
        const places = []
        for (const waiter of waiters) places.push(await waiter.queue('file:x'))
        let owner = holder
        for (const [index, waiter] of waiters.entries()) {
          for (const [later, place] of places.entries()) if (later >= index) await waiters[later]?.waits(place)
          await owner.release(held)
          const place = places[index]
          if (place === undefined) throw new Error('no such place')
          held = await waiter.granted(place)
          owner = waiter
        }
      },
    },
    {
      title: 'requests that do not conflict never wait for each other',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x')
        await b.queue('file:x')
        await c.acquire('file:y')
        await c.acquire('file:x/y')
      },
    },
    {
      title: 'a free resource is granted at once, with nothing waited',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire(['file:x', 'file:y'], { ttlMs: 5000 })
        expect(lock).toMatchObject({ waitedMs: 0, waiters: 0, previous: [] })
        const { now } = await a.heartbeat()
        expect(lock.expiresAt).toBeGreaterThan(now)
        expect(lock.expiresAt).toBeLessThanOrEqual(now + 5000)
      },
    },
    {
      title: 'readers hold together',
      run: async (world) => {
        const readers = world.sessions('a', 'b', 'c')
        for (const reader of readers) await reader.acquire('file:x', { mode: 'shared' })
        expect((await readers[0].inspect('file:x')).leases.map(({ agentId }) => agentId)).toEqual(['a', 'b', 'c'])
      },
    },
    {
      title: 'consecutive waiting readers are granted together',
      run: async (world) => {
        const [writer, a, b, last, c] = world.sessions('writer', 'a', 'b', 'last', 'c')
        const lock = await writer.acquire('file:x')
        const first = await a.queue('file:x', { mode: 'shared' })
        const second = await b.queue('file:x', { mode: 'shared' })
        const third = await last.queue('file:x')
        const fourth = await c.queue('file:x', { mode: 'shared' })
        await writer.release(lock)
        const held = [await a.granted(first), await b.granted(second)] as const
        await last.waits(third)
        await c.waits(fourth)
        await a.release(held[0])
        await last.waits(third)
        await b.release(held[1])
        await last.granted(third)
        await c.waits(fourth)
      },
    },
    {
      title: 'a waiting writer holds back later readers',
      run: async (world) => {
        const [reader, writer, late] = world.sessions('reader', 'writer', 'late')
        const lock = await reader.acquire('file:x', { mode: 'shared' })
        const writing = await writer.queue('file:x')
        expect(await late.attempt('file:x', { mode: 'shared' })).toBeUndefined()
        const reading = await late.queue('file:x', { mode: 'shared' })
        await reader.release(lock)
        const held = await writer.granted(writing)
        await late.waits(reading)
        await writer.release(held)
        await late.granted(reading)
      },
    },
    {
      title: 'a waiting tree request holds back later requests under it, in their order',
      run: async (world) => {
        const [holder, tree, late, apart] = world.sessions('holder', 'tree', 'late', 'apart')
        const lock = await holder.acquire('file:src/a')
        const place = await tree.queue('file:src/**')
        const behind = await late.queue('file:src/b')
        await apart.acquire('file:docs')
        await apart.acquire('file:src2/b')
        await holder.release(lock)
        const held = await tree.granted(place)
        await late.waits(behind)
        await tree.release(held)
        await late.granted(behind)
      },
    },
    {
      title: 'a tree request is granted once everything under it is free',
      run: async (world) => {
        const [holder, tree] = world.sessions('holder', 'tree')
        const leaves = []
        for (const leaf of ['file:src/a', 'file:src/b/c', 'file:src']) leaves.push(await holder.acquire(leaf))
        const place = await tree.queue('file:src/**')
        for (const leaf of leaves) {
          await tree.waits(place)
          await holder.release(leaf)
        }
        await tree.granted(place)
      },
    },
    {
      title: 'a release grants the next in the same step',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await a.release(lock)
        const { leases, waiting } = await c.inspect('file:x')
        expect(leases).toMatchObject([{ agentId: 'b' }])
        expect(waiting).toEqual([])
        await b.granted(place)
      },
    },
    {
      title: 'a release is followed by the grants before the next step of its batch',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        const { outcomes } = await a.send([
          { type: 'release', id: lock.id, token: lock.token, expired: false },
          a.asking('file:x'),
        ])
        expect(outcomes).toMatchObject([{ type: 'released', released: true }, { type: 'waiting' }])
        await b.granted(place)
      },
    },
    {
      title: 'a grant after waiting says how long it waited',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await world.advance(50)
        await a.release(lock)
        const held = await b.granted(place)
        expect(held.waitedMs).toBeGreaterThanOrEqual(50)
        expect(held.waitedMs).toBeLessThan(5000)
      },
    },
    {
      title: 'a busy answer names who holds the resource, and how many wait in front',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x', { reason: 'because', metadata: '{"k":1}' })
        await b.queue('file:x')
        expect(await c.ask('file:x', { waitMs: 0 })).toMatchObject({
          type: 'busy',
          ahead: 1,
          holders: [
            {
              agentId: 'a',
              claim: { resourceId: 'file:x', mode: 'exclusive', scope: 'node' },
              reason: 'because',
              metadata: '{"k":1}',
              fence: lock.fence,
              expiresAt: lock.expiresAt,
              wallLockedAt: lock.wallLockedAt,
              waiters: 1,
            },
          ],
        })
      },
    },
    {
      title: 'a request that may not wait leaves no trace in the line',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire('file:x')
        expect(await b.attempt('file:x')).toBeUndefined()
        expect((await c.inspect('file:x')).waiting).toEqual([])
        await a.release(lock)
        await c.acquire('file:x')
        expect(await b.told({ id: lock.id + 1 })).toEqual([])
      },
    },
    {
      title: 'agents of one name are as apart as any others',
      run: async (world) => {
        const [a, same] = world.sessions('a', 'a')
        await a.acquire('file:x')
        expect(await a.attempt('file:x')).toBeUndefined()
        expect(await same.attempt('file:x')).toBeUndefined()
      },
    },
    {
      title: 'nobody starves: readers that keep coming do not keep a writer waiting',
      run: async (world) => {
        const [writer, first] = world.sessions('writer', 'first')
        const held = [await first.acquire('file:x', { mode: 'shared' })]
        const place = await writer.queue('file:x')
        for (let round = 0; round < 5; round += 1) {
          await world.session('reader').queue('file:x', { mode: 'shared' })
          await writer.waits(place)
        }
        for (const lock of held) await first.release(lock)
        await writer.granted(place)
      },
    },
  ],
}

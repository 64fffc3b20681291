import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

export const chainTopic: ContractTopic = {
  topic: 'chains',
  cases: [
    {
      title: 'a nested shared request passes a writer that waits for a lease of its own chain',
      run: async (world) => {
        const [a, writer, late] = world.sessions('a', 'writer', 'late')
        await a.acquire('file:x', { mode: 'shared', chain: 'c' })
        await writer.queue('file:x')
        await a.acquire('file:x', { mode: 'shared', chain: 'c' })
        expect(await late.attempt('file:x', { mode: 'shared', chain: 'd' })).toBeUndefined()
        expect(await late.attempt('file:x', { mode: 'shared' })).toBeUndefined()
      },
    },
    {
      title: 'the exception counts for any resource that such a writer waits for',
      run: async (world) => {
        const [a, b, writer] = world.sessions('a', 'b', 'writer')
        await a.acquire('file:x', { chain: 'c' })
        await writer.queue(['file:x', 'file:y'])
        expect(await b.attempt('file:y')).toBeUndefined()
        await a.acquire('file:y', { chain: 'c' })
      },
    },
    {
      title: 'the exception counts for a chain that another session goes on with',
      run: async (world) => {
        const [a, b, writer] = world.sessions('a', 'b', 'writer')
        await a.acquire('file:x', { chain: 'c' })
        await writer.queue(['file:x', 'file:y'])
        await b.acquire('file:y', { chain: 'c' })
      },
    },
    {
      title: 'the exception does not count for a writer behind somebody else’s lease',
      run: async (world) => {
        const [a, other, writer] = world.sessions('a', 'other', 'writer')
        await a.acquire('file:x', { chain: 'c' })
        await other.acquire('file:y', { mode: 'shared' })
        await writer.queue('file:y')
        expect(await a.attempt('file:y', { mode: 'shared', chain: 'c' })).toBeUndefined()
      },
    },
    {
      title: 'the exception passes the waiter of its own chain’s lease but no other in the same line',
      run: async (world) => {
        const [a, holder, first, second] = world.sessions('a', 'holder', 'first', 'second')
        await a.acquire('file:x', { chain: 'c' })
        const lock = await holder.acquire('file:y', { mode: 'shared' })
        const blocked = await first.queue('file:y')
        await second.queue(['file:x', 'file:y'])
        const place = await a.queue('file:y', { mode: 'shared', chain: 'c' })
        await first.cancel(blocked)
        await a.granted(place)
        await holder.release(lock)
      },
    },
    {
      title: 'whoever passed a waiter of its own chain’s lease waits behind it once that lease has ended',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const own = await a.acquire('file:x', { chain: 'c' })
        const held = [await c.acquire('file:y'), await c.acquire('file:z')] as const
        const first = await b.queue(['file:x', 'file:y', 'file:z'])
        const second = await a.queue('file:z', { chain: 'c' })
        await a.release(own)
        // Acknowledges that it was told of the waiters: a release alone is another way through a store.
        await c.settle()
        await c.release(held[1])
        await a.waits(second)
        await c.release(held[0])
        await b.release(await b.granted(first))
        await a.granted(second)
      },
    },
    {
      title: 'a waiting request of a chain is granted past a writer that waits for the chain’s lease',
      run: async (world) => {
        const [a, holder, writer] = world.sessions('a', 'holder', 'writer')
        await a.acquire('file:x', { chain: 'c' })
        const lock = await holder.acquire('file:y')
        const behind = await writer.queue(['file:x', 'file:y'])
        const place = await a.queue('file:y', { chain: 'c' })
        await holder.release(lock)
        const held = await a.granted(place)
        await writer.waits(behind)
        await a.release(held)
        await writer.waits(behind)
      },
    },
    {
      title:
        'a waiting request of a chain is granted as soon as a writer in front waits for a lease that the chain got only then',
      run: async (world) => {
        const [a, b, holder, writer] = world.sessions('a', 'b', 'holder', 'writer')
        const lock = await holder.acquire('file:x')
        const first = await a.queue('file:x', { chain: 'c' })
        const between = await writer.queue(['file:x', 'file:y'])
        const second = await b.queue('file:y', { chain: 'c' })
        await b.waits(second)
        await holder.release(lock)
        await a.granted(first)
        await b.granted(second)
        await writer.waits(between)
      },
    },
    {
      title: 'the exception holds under a tree of any number of leases',
      run: async (world) => {
        const [a, crowd, writer] = world.sessions('a', 'crowd', 'writer')
        for (let held = 0; held < 1200; held += 100) {
          await crowd.send(Array.from({ length: 100 }, (_, index) => crowd.asking(`file:t/a${held + index}`)))
        }
        await a.acquire('file:t/z', { mode: 'shared', chain: 'c' })
        await writer.queue('file:t/**')
        await a.acquire('file:t/z', { mode: 'shared', chain: 'c' })
      },
    },
    {
      title: 'two requests of one chain conflict like any others',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'c' })
        expect(await a.attempt('file:x', { chain: 'c' })).toBeUndefined()
      },
    },
  ],
}

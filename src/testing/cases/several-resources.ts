import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const MANY = Array.from({ length: 128 }, (_, index) => `file:many/${index}`)

export const severalResourcesTopic: ContractTopic = {
  topic: 'several resources',
  cases: [
    {
      title: 'a request over several resources is granted all together or not at all',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:y')
        expect(await b.attempt(['file:x', 'file:y', 'file:z'])).toBeUndefined()
        await c.acquire(['file:x', 'file:z'])
      },
    },
    {
      title: 'a waiting request holds none of its resources: nobody sees a lease of it',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:y')
        await b.queue(['file:x', 'file:y'])
        expect((await c.inspect('file:x')).leases).toEqual([])
        expect((await c.inspect('file:x')).waiting).toMatchObject([{ agentId: 'b' }])
        expect((await c.list()).leases.map(({ agentId }) => agentId)).toEqual(['a'])
      },
    },
    {
      title: 'a waiter with several resources keeps its place in every line',
      run: async (world) => {
        const [a, b, late, later] = world.sessions('a', 'b', 'late', 'later')
        const x = await a.acquire('file:x')
        const y = await a.acquire('file:y')
        const both = await b.queue(['file:x', 'file:y'])
        const behindX = await late.queue('file:x')
        const behindY = await later.queue('file:y')
        await a.release(x)
        await late.waits(behindX)
        await b.waits(both)
        await a.release(y)
        const held = await b.granted(both)
        await late.waits(behindX)
        await later.waits(behindY)
        await b.release(held)
        await late.granted(behindX)
        await later.granted(behindY)
      },
    },
    {
      title: 'requests over the same resources in any order never wait for each other in a circle',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire(['file:x', 'file:y'])
        const first = await b.queue(['file:y', 'file:x'])
        const second = await c.queue(['file:x', 'file:y'])
        await a.release(lock)
        const held = await b.granted(first)
        await c.waits(second)
        await b.release(held)
        await c.granted(second)
      },
    },
    {
      title: 'all resources of a request are released together',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const lock = await a.acquire(['file:x', { resourceId: 'file:y', mode: 'shared' }, 'file:z/**'])
        const first = await b.queue('file:x')
        const second = await b.queue('file:y')
        const third = await c.queue('file:z/a/b')
        await a.release(lock)
        await b.granted(first)
        await b.granted(second)
        await c.granted(third)
      },
    },
    {
      title: 'each claim of a request has its own mode',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire(['file:x', { resourceId: 'file:y', mode: 'shared' }])
        await b.acquire('file:y', { mode: 'shared' })
        expect(await b.attempt('file:x', { mode: 'shared' })).toBeUndefined()
        expect(await b.attempt('file:y')).toBeUndefined()
      },
    },
    {
      title: 'a request may have 128 claims',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire(MANY)
        const place = await b.queue(MANY)
        expect(await b.attempt('file:many/127')).toBeUndefined()
        await a.release(lock)
        const held = await b.granted(place)
        expect((await a.list({ agentId: 'b' })).leases).toHaveLength(128)
        await b.release(held)
        await a.acquire('file:many/**')
      },
    },
    {
      title: 'a request behind several lines is granted when the last of them is free, and not before',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const resources = ['file:a', 'file:b/c', 'file:d', 'state:e']
        const locks = []
        for (const resource of resources) locks.push(await a.acquire(resource))
        const place = await b.queue(['file:a', 'file:b/**', { resourceId: 'file:d', mode: 'shared' }, 'state:e'])
        for (const lock of locks.toReversed()) {
          await b.waits(place)
          await a.release(lock)
        }
        await b.granted(place)
      },
    },
  ],
}

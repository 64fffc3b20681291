import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

export const forceTopic: ContractTopic = {
  topic: 'force',
  cases: [
    {
      title: 'force ends every lease that covers the resource and returns what it ended',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const first = await a.acquire('file:x', { mode: 'shared', reason: 'reading' })
        const second = await b.acquire('file:x', { mode: 'shared' })
        const { ended, unfinished } = await admin.force('file:x')
        expect(unfinished).toBe(false)
        expect(ended).toMatchObject([
          { agentId: 'a', fence: first.fence, reason: 'reading', claim: { resourceId: 'file:x', mode: 'shared' } },
          { agentId: 'b', fence: second.fence },
        ])
        expect((await admin.inspect('file:x')).leases).toEqual([])
      },
    },
    {
      title: 'force on a resource ends a tree above it and leaves what lies under it',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const tree = await a.acquire('file:src/**', { mode: 'shared' })
        const leaf = await b.acquire('file:src/core/a', { mode: 'shared' })
        expect((await admin.force('file:src/core')).ended).toMatchObject([{ agentId: 'a', fence: tree.fence }])
        expect((await admin.inspect('file:src/core/a')).leases).toMatchObject([{ fence: leaf.fence }])
      },
    },
    {
      title: 'force on a tree ends the trees that cover all of it, and neither nodes nor leaves',
      run: async (world) => {
        const [a, b, c, admin] = world.sessions('a', 'b', 'c', 'admin')
        const asking = { mode: 'shared' } as const
        await a.acquire('file:src', asking)
        await b.acquire('file:src/a', asking)
        await c.acquire('file:src/**', asking)
        expect((await admin.force('file:src/**')).ended).toMatchObject([{ agentId: 'c' }])
        expect((await admin.list()).leases).toHaveLength(2)
      },
    },
    {
      title: 'force with a fencing token ends only that lease',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        await a.acquire('file:x', { mode: 'shared' })
        const second = await b.acquire('file:x', { mode: 'shared' })
        expect((await admin.force('file:x', second.fence)).ended).toMatchObject([{ agentId: 'b' }])
        expect((await admin.inspect('file:x')).leases).toMatchObject([{ agentId: 'a' }])
      },
    },
    {
      title: 'force with a fencing token leaves a successor’s fresh lease alone',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await a.release(lock)
        expect(await admin.force('file:x', lock.fence)).toEqual({ type: 'forced', ended: [], unfinished: false })
        await b.granted(place)
        expect((await admin.inspect('file:x')).leases).toMatchObject([{ agentId: 'b' }])
      },
    },
    {
      title: 'force grants the next in line, which it does not end',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        await a.acquire('file:x')
        const place = await b.queue('file:x')
        expect((await admin.force('file:x')).ended).toHaveLength(1)
        await b.granted(place)
      },
    },
    {
      title: 'force tells the old holder by whom and why, and it is released no more',
      run: async (world) => {
        const [a, admin] = world.sessions('a', 'admin')
        const lock = await a.acquire('file:x')
        await world.advance(10)
        await admin.force('file:x')
        const [message] = await a.told(lock)
        expect(message).toMatchObject({ type: 'lost', loss: { kind: 'forced', by: 'admin', reason: 'stuck' } })
        expect((message as { readonly heldMs?: number }).heldMs).toBeGreaterThanOrEqual(10)
        expect(await a.release(lock)).toMatchObject({ released: false })
        expect(await a.extend(lock, 1000)).toEqual({ type: 'gone' })
      },
    },
    {
      title: 'force on one resource of a lease ends the whole lease',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        await a.acquire(['file:x', 'file:y'])
        const { ended } = await admin.force('file:y')
        expect(ended).toMatchObject([{ claim: { resourceId: 'file:y' } }])
        expect(ended[0]?.claims).toHaveLength(2)
        await b.acquire('file:x')
      },
    },
    {
      title: 'forcing what nobody holds ends nothing, not even those who wait',
      run: async (world) => {
        const [a, b, admin] = world.sessions('a', 'b', 'admin')
        const gate = await a.acquire('file:y')
        const place = await b.queue(['file:x', 'file:y'])
        expect(await admin.force('file:x')).toEqual({ type: 'forced', ended: [], unfinished: false })
        await a.release(gate)
        await b.granted(place)
      },
    },
    {
      title: 'who forces one’s own lease is told like any other holder',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        await a.force('file:x')
        expect(await a.told(lock)).toMatchObject([{ type: 'lost', loss: { kind: 'forced', by: 'admin' } }])
      },
    },
  ],
}

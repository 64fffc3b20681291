import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 150

export const previousTopic: ContractTopic = {
  topic: 'what happened before',
  cases: [
    {
      title: 'a first grant knows of nobody before it',
      run: async (world) => {
        const [a] = world.sessions('a')
        expect((await a.acquire('file:x')).previous).toEqual([])
        expect((await a.inspect('file:x')).previous).toBeNull()
      },
    },
    {
      title: 'a grant says who released the resource last, until when, with which token and reason',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { reason: 'why' })
        const { wallNow } = await a.send([{ type: 'release', id: lock.id, token: lock.token, expired: false }])
        await world.advance(20)
        const { previous } = await b.acquire('file:x')
        expect(previous).toMatchObject([{ resourceId: 'file:x', agentId: 'a', fence: lock.fence, reason: 'why' }])
        expect(Math.abs((previous[0]?.wallUntil ?? 0) - wallNow)).toBeLessThanOrEqual(5)
      },
    },
    {
      title: 'after an expiry the previous holder held until its lease expired, not until somebody looked',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { wallNow } = await a.heartbeat()
        await a.acquire('file:x', { ttlMs: SOON_MS })
        await world.advance(SOON_MS * 3)
        const { previous } = await b.acquire('file:x')
        expect(previous).toMatchObject([{ agentId: 'a' }])
        expect((previous[0]?.wallUntil ?? 0) - wallNow).toBeLessThan(SOON_MS * 2)
      },
    },
    {
      title: 'after a force the previous holder is the one that was forced',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        const place = await b.queue('file:x')
        await b.force('file:x')
        expect((await b.granted(place)).previous).toMatchObject([{ agentId: 'a', fence: lock.fence }])
      },
    },
    {
      title: 'each resource of a grant has its own previous holder, where one is known',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.release(await a.acquire('file:x'))
        await b.release(await b.acquire('file:y'))
        const { previous } = await c.acquire(['file:x', 'file:y', 'file:z'])
        expect(previous.map(({ resourceId, agentId }) => [resourceId, agentId])).toEqual([
          ['file:x', 'a'],
          ['file:y', 'b'],
        ])
      },
    },
    {
      title: 'the present holder is not the previous one',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.release(await a.acquire('file:x'))
        await b.acquire('file:x')
        expect((await a.inspect('file:x')).previous).toMatchObject({ agentId: 'a' })
      },
    },
    {
      title: 'a request that only waited was never a holder',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x')
        await b.cancel(await b.queue('file:x'))
        await a.release(lock)
        expect((await b.inspect('file:x')).previous).toMatchObject({ agentId: 'a' })
      },
    },
    {
      title: 'previous holders are remembered for a bounded time',
      limits: { previousMs: SOON_MS },
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.release(await a.acquire('file:x'))
        expect((await b.inspect('file:x')).previous).toMatchObject({ agentId: 'a' })
        await world.advance(SOON_MS * 2)
        expect((await b.inspect('file:x')).previous).toBeNull()
        expect((await b.acquire('file:x')).previous).toEqual([])
      },
    },
    {
      title: 'previous holders of a bounded number of resources are remembered, the latest',
      limits: { previous: 2 },
      run: async (world) => {
        const [a] = world.sessions('a')
        for (const name of ['x', 'y', 'x', 'z']) await a.release(await a.acquire(`file:${name}`))
        expect((await a.inspect('file:y')).previous).toBeNull()
        expect((await a.inspect('file:x')).previous).toMatchObject({ agentId: 'a' })
        expect((await a.inspect('file:z')).previous).toMatchObject({ agentId: 'a' })
      },
    },
    {
      title: 'remembering previous holders can be switched off',
      limits: { previous: 0 },
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.release(await a.acquire('file:x'))
        expect((await a.acquire('file:x')).previous).toEqual([])
      },
    },
  ],
}

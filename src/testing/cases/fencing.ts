import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 100

export const fencingTopic: ContractTopic = {
  topic: 'fencing tokens',
  cases: [
    {
      title: 'every grant has a token greater than that of every earlier grant in the namespace',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const first = await a.acquire('file:x')
        const second = await b.acquire('file:y')
        const place = await c.queue('file:x')
        await a.release(first)
        const third = await c.granted(place)
        const fourth = await a.acquire('file:z', { mode: 'shared' })
        const fences = [first, second, third, fourth].map(({ fence }) => fence)
        expect(fences.every((fence, index) => index === 0 || fence > (fences[index - 1] ?? 0))).toBe(true)
        expect(fences.every((fence) => Number.isSafeInteger(fence))).toBe(true)
      },
    },
    {
      title: 'grants of one batch have different, rising tokens',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { outcomes } = await a.send([a.asking('file:x'), a.asking('file:y'), a.asking('file:z')])
        const fences = (outcomes ?? []).map((outcome) => (outcome.type === 'granted' ? outcome.fence : 0))
        expect(new Set(fences).size).toBe(3)
        expect(fences).toEqual(fences.toSorted((x, y) => x - y))
      },
    },
    {
      title: 'tokens follow the wall clock in microseconds, so that they rise even after a loss of data',
      run: async (world) => {
        const [a] = world.sessions('a')
        const { wallNow } = await a.heartbeat()
        const lock = await a.acquire('file:x')
        expect(lock.fence).toBeGreaterThanOrEqual(wallNow * 1000)
        expect(lock.fence).toBeLessThan((wallNow + 60_000) * 1000)
        await world.advance(SOON_MS)
        const next = await a.acquire('file:y')
        expect(next.fence - lock.fence).toBeGreaterThanOrEqual((SOON_MS - 20) * 1000)
      },
    },
    {
      title: 'a token is greater than any that the session has seen',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { wallNow } = await a.heartbeat()
        a.floor = (wallNow + 30_000) * 1000
        const lock = await a.acquire('file:x')
        expect(lock.fence).toBe(a.floor + 1)
        expect((await b.acquire('file:y')).fence).toBe(a.floor + 2)
      },
    },
    {
      title: 'a floor below the last token changes nothing',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        a.floor = 5
        expect((await a.acquire('file:y')).fence).toBeGreaterThan(lock.fence)
      },
    },
    {
      title: 'a floor more than a minute ahead of the store’s clock is refused before anything is written',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const { wallNow } = await b.heartbeat()
        const floor = (wallNow + 120_000) * 1000
        await expect(a.send([a.asking('file:x')], { floor })).rejects.toMatchObject({ code: 'INVALID' })
        expect((await b.inspect('file:x')).leases).toEqual([])
        expect((await b.acquire('file:y')).fence).toBeLessThan(floor)
        expect(await a.send([a.asking('file:x')], { number: 1 })).toMatchObject({
          fresh: true,
          outcomes: [{ type: 'granted' }],
        })
      },
    },
    {
      title: 'an extension keeps the token',
      run: async (world) => {
        const [a] = world.sessions('a')
        const lock = await a.acquire('file:x')
        await a.extend(lock, 60_000)
        expect((await a.inspect('file:x')).leases).toMatchObject([{ fence: lock.fence }])
      },
    },
  ],
}

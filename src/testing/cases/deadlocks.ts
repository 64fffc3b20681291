import type { AcquireOutcome, CycleView } from '../../core/store.ts'
import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

function cycleOf(outcome: AcquireOutcome): readonly CycleView[] {
  expect(outcome).toMatchObject({ type: 'deadlock' })
  return outcome.type === 'deadlock' ? outcome.cycle : []
}

export const deadlockTopic: ContractTopic = {
  topic: 'deadlock',
  cases: [
    {
      title:
        'of two chains that wait for each other the one that closes the circle is refused, with the whole circle named',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b', mode: 'shared' })
        const place = await a.queue('file:y', { chain: 'a' })
        const cycle = cycleOf(await b.ask('file:x', { chain: 'b', mode: 'shared' }))
        expect(cycle).toMatchObject([
          { agentId: 'b', resourceId: 'file:x', mode: 'shared', state: 'waits' },
          { agentId: 'a', resourceId: 'file:x', mode: 'exclusive', state: 'holds' },
          { agentId: 'a', resourceId: 'file:y', mode: 'exclusive', state: 'waits' },
          { agentId: 'b', resourceId: 'file:y', mode: 'shared', state: 'holds' },
        ])
        const { now } = await a.heartbeat()
        for (const { sinceAt } of cycle) expect(now - sinceAt).toBeLessThan(60_000)
        await a.waits(place)
      },
    },
    {
      title: 'after a refusal nothing else has changed: whoever gives way lets the other go on',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x', { chain: 'a' })
        const lock = await b.acquire('file:y', { chain: 'b' })
        const place = await a.queue('file:y', { chain: 'a' })
        cycleOf(await b.ask('file:x', { chain: 'b' }))
        expect((await b.inspect('file:x')).waiting).toEqual([])
        await b.release(lock)
        await a.granted(place)
      },
    },
    {
      title: 'a circle of three chains is seen',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        await c.acquire('file:z', { chain: 'c' })
        await a.queue('file:y', { chain: 'a' })
        await b.queue('file:z', { chain: 'b' })
        expect(cycleOf(await c.ask('file:x', { chain: 'c' })).map(({ agentId }) => agentId)).toEqual([
          'c',
          'a',
          'a',
          'b',
          'b',
          'c',
        ])
      },
    },
    {
      title: 'a circle over an earlier waiter in between is seen',
      run: async (world) => {
        const [a, b, c, d] = world.sessions('a', 'b', 'c', 'd')
        await a.acquire('file:x', { chain: 'a' })
        await d.acquire('file:y', { mode: 'shared' })
        await b.queue(['file:x', 'file:y'])
        await c.acquire('file:z', { chain: 'c' })
        await c.queue('file:y', { chain: 'c', mode: 'shared' })
        const cycle = cycleOf(await a.ask('file:z', { chain: 'a' }))
        expect(cycle.map(({ agentId, state }) => `${agentId} ${state}`)).toEqual([
          'a waits',
          'c holds',
          'c waits',
          'b waits',
          'a holds',
        ])
      },
    },
    {
      title: 'a circle over trees is seen',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:src/a', { chain: 'a' })
        await b.acquire('file:docs/**', { chain: 'b' })
        await a.queue('file:docs/x/y', { chain: 'a' })
        cycleOf(await b.ask('file:src/**', { chain: 'b' }))
      },
    },
    {
      title: 'asking for more than one’s own shared lease gives is a deadlock with oneself',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'a', mode: 'shared' })
        expect(cycleOf(await a.ask('file:x', { chain: 'a', reentrant: true }))).toMatchObject([
          { agentId: 'a', resourceId: 'file:x', mode: 'exclusive', state: 'waits' },
          { agentId: 'a', resourceId: 'file:x', mode: 'shared', state: 'holds' },
        ])
      },
    },
    {
      title: 'two readers that both want to write are told so',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const lock = await a.acquire('file:x', { chain: 'a', mode: 'shared' })
        await b.acquire('file:x', { chain: 'b', mode: 'shared' })
        await a.release(lock)
        const place = await a.queue('file:x', { chain: 'a' })
        cycleOf(await b.ask('file:x', { chain: 'b' }))
        await a.waits(place)
      },
    },
    {
      title: 'without a chain nothing is a deadlock',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x')
        await b.acquire('file:y', { chain: 'b' })
        await a.queue('file:y')
        await b.queue('file:x', { chain: 'b' })
      },
    },
    {
      title: 'a request that may not wait is busy, not a deadlock',
      run: async (world) => {
        const [a] = world.sessions('a')
        await a.acquire('file:x', { chain: 'a' })
        expect(await a.ask('file:x', { chain: 'a', waitMs: 0 })).toMatchObject({ type: 'busy' })
      },
    },
    {
      title: 'waiting for a chain that waits for nobody is no deadlock',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        await b.queue('file:x', { chain: 'b' })
        await c.queue(['file:x', 'file:y'], { chain: 'c' })
      },
    },
    {
      title: 'passing a writer that waits for one’s own lease is no deadlock',
      run: async (world) => {
        const [a, writer, other] = world.sessions('a', 'writer', 'other')
        await a.acquire('file:x', { chain: 'a', mode: 'shared' })
        const lock = await other.acquire('file:y', { chain: 'o' })
        await writer.queue(['file:x', 'file:y'], { chain: 'w' })
        const place = await a.queue('file:y', { chain: 'a', mode: 'shared' })
        await other.release(lock)
        await a.granted(place)
      },
    },
    {
      title: 'an ended lease closes no circle',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x', { chain: 'a', ttlMs: 100 })
        await b.acquire('file:y', { chain: 'b' })
        await a.queue('file:y', { chain: 'a' })
        await world.advance(100)
        await b.acquire('file:x', { chain: 'b' })
      },
    },
    {
      title: 'a chain with two open requests is not sequential: none of its edges count',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        await c.acquire('file:z')
        await a.queue('file:y', { chain: 'a' })
        await a.queue('file:z', { chain: 'a' })
        await b.queue('file:x', { chain: 'b' })
      },
    },
    {
      title: 'a second open request of a chain is never refused: the chain is not sequential then',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        await c.acquire('file:z')
        await b.queue('file:x', { chain: 'b' })
        await a.queue('file:z', { chain: 'a' })
        await a.queue('file:y', { chain: 'a' })
      },
    },
    {
      title: 'a chain that falls back to one open request is checked then, and told by message',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        await c.acquire('file:z')
        const circle = await a.queue('file:y', { chain: 'a' })
        const extra = await a.queue('file:z', { chain: 'a' })
        const place = await b.queue('file:x', { chain: 'b' })
        await a.cancel(extra)
        expect(await a.told(circle)).toMatchObject([
          {
            type: 'deadlock',
            cycle: [
              { agentId: 'a', resourceId: 'file:y', state: 'waits' },
              { agentId: 'b', resourceId: 'file:y', state: 'holds' },
              { agentId: 'b', resourceId: 'file:x', state: 'waits' },
              { agentId: 'a', resourceId: 'file:x', state: 'holds' },
            ],
          },
        ])
        expect((await c.inspect('file:y')).waiting).toEqual([])
        await b.waits(place)
      },
    },
    {
      title: 'a chain falls back to one open request also when the other is granted',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:x', { chain: 'a' })
        await b.acquire('file:y', { chain: 'b' })
        const lock = await c.acquire('file:z')
        const circle = await a.queue('file:y', { chain: 'a' })
        const extra = await a.queue('file:z', { chain: 'a' })
        await b.queue('file:x', { chain: 'b' })
        await c.release(lock)
        await a.granted(extra)
        expect(await a.told(circle)).toMatchObject([{ type: 'deadlock' }])
      },
    },
    {
      title:
        'a chain that falls back to one open request is checked also where it has no lease and others stand behind it',
      run: async (world) => {
        const [a, b, c, gate] = world.sessions('a', 'b', 'c', 'gate')
        await gate.acquire('file:g')
        await a.acquire('file:x', { chain: 'a' })
        await b.queue(['file:x', 'file:m'])
        const extra = await c.queue('file:g', { chain: 'c' })
        const between = await c.queue(['file:m', 'file:y'], { chain: 'c' })
        const last = await a.queue('file:y', { chain: 'a' })
        await c.cancel(extra)
        const [message] = await c.told(between)
        expect(message).toMatchObject({ type: 'deadlock' })
        expect(
          message?.type === 'deadlock' && message.cycle.map(({ agentId, state }) => `${agentId} ${state}`),
        ).toEqual(['c waits', 'b waits', 'a holds', 'a waits'])
        await a.granted(last)
      },
    },
    {
      title: 'a chain that loses a lease while it waits is checked again: more may stand in its way now',
      run: async (world) => {
        const [a, b, c, other] = world.sessions('a', 'b', 'c', 'other')
        await a.acquire('file:y', { chain: 'a' })
        const lock = await a.acquire('file:x', { chain: 'a', mode: 'shared' })
        await b.queue(['file:y', 'file:z'])
        await c.queue(['file:x', 'file:z'])
        await other.acquire('file:w')
        const place = await a.queue([{ resourceId: 'file:x', mode: 'shared' }, 'file:w'], { chain: 'a' })
        await other.force('file:x', lock.fence)
        expect(await a.told(place)).toMatchObject([{ type: 'deadlock' }])
      },
    },
    {
      title:
        'a circle behind a line of waiters is found, and a search of more than 1 000 edges gives up and lets the request wait',
      run: async (world) => {
        const [a, b, crowd] = world.sessions('a', 'b', 'crowd')
        await a.acquire('file:x', { chain: 'a' })
        const asking = { mode: 'shared' } as const
        for (let held = 0; held < 1100; held += 100) {
          await crowd.send(Array.from({ length: 100 }, () => crowd.asking('file:y', asking)))
        }
        await b.acquire('file:y', { chain: 'b', mode: 'shared' })
        await b.queue('file:x', { chain: 'b' })
        await a.queue('file:y', { chain: 'a' })
      },
    },
    {
      title: 'a circle among 900 others is found',
      run: async (world) => {
        const [a, b, crowd] = world.sessions('a', 'b', 'crowd')
        await a.acquire('file:x', { chain: 'a' })
        for (let held = 0; held < 900; held += 100) {
          await crowd.send(Array.from({ length: 100 }, () => crowd.asking('file:y', { mode: 'shared' })))
        }
        await b.acquire('file:y', { chain: 'b', mode: 'shared' })
        await b.queue('file:x', { chain: 'b' })
        cycleOf(await a.ask('file:y', { chain: 'a' }))
      },
    },
  ],
}

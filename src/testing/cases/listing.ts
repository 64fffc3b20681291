import type { LeaseView } from '../../core/store.ts'
import type { Actor } from '../actor.ts'
import { expect } from '../test-tools.ts'
import type { ContractTopic } from '../topic.ts'

const SOON_MS = 120

function idsOf(leases: readonly LeaseView[]): string[] {
  return leases.map(({ claim }) => claim.resourceId).toSorted()
}

/** Every page of a listing. */
async function listAll(looker: Actor, prefix = ''): Promise<readonly (readonly LeaseView[])[]> {
  const pages = []
  for (let after: string | null = null; ;) {
    const page = await looker.list({ prefix, after })
    pages.push(page.leases)
    if (page.next === null) return pages
    after = page.next
  }
}

export const listingTopic: ContractTopic = {
  topic: 'looking',
  cases: [
    {
      title: 'inspect names every lease that covers the resource, by the claim that covers it',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        const asking = { mode: 'shared' } as const
        await a.acquire(['file:src/**', 'state:y'], asking)
        await b.acquire('file:src/a', asking)
        await c.acquire('file:src/a/b', asking)
        const { leases } = await c.inspect('file:src/a')
        expect(leases.map(({ agentId, claim }) => `${agentId} ${claim.resourceId} ${claim.scope}`).toSorted()).toEqual([
          'a file:src tree',
          'b file:src/a node',
        ])
        expect(leases.find(({ agentId }) => agentId === 'a')?.claims).toHaveLength(2)
      },
    },
    {
      title: 'inspect names of several readers the earliest first, and no more than it is asked for',
      run: async (world) => {
        const readers = world.sessions('a', 'b', 'c')
        for (const reader of readers) await reader.acquire('file:x', { mode: 'shared' })
        const inspect = { type: 'inspect', resourceId: 'file:x', scope: 'node', leases: 2, waiters: 0 } as const
        expect((await readers[2].step(inspect)).leases.map(({ agentId }) => agentId)).toEqual(['a', 'b'])
      },
    },
    {
      title: 'inspect of a tree names only what covers all of it',
      run: async (world) => {
        const [a, b, looker] = world.sessions('a', 'b', 'looker')
        await a.acquire('file:src/a')
        await b.acquire('file:docs/**')
        expect((await looker.inspect('file:src/**')).leases).toEqual([])
        expect((await looker.inspect('file:docs/a/**')).leases).toMatchObject([{ agentId: 'b' }])
      },
    },
    {
      title: 'inspect names those who wait for the resource, in their order, each once',
      run: async (world) => {
        const [a, b, c, d] = world.sessions('a', 'b', 'c', 'd')
        await a.acquire('file:src/a')
        await b.queue(['file:src/**', 'file:src/a'], { reason: 'tidy' })
        await c.queue('file:src/a')
        await d.queue('file:src/b')
        const { waiting } = await a.inspect('file:src/a')
        expect(waiting.map(({ agentId }) => agentId)).toEqual(['b', 'c'])
        expect(waiting[0]).toMatchObject({ reason: 'tidy' })
        expect(waiting[0]?.queuedAt).toBeLessThanOrEqual(waiting[1]?.queuedAt ?? 0)
      },
    },
    {
      title: 'inspect names those who wait under a tree, also behind a request of many claims',
      run: async (world) => {
        const [a, b, c] = world.sessions('a', 'b', 'c')
        await a.acquire('file:src/**')
        await b.queue(Array.from({ length: 128 }, (_, index) => `file:src/${index}`))
        await c.queue('file:src/0')
        const { waiting } = await a.inspect('file:src/**')
        expect(waiting.map(({ agentId }) => agentId)).toEqual(['b', 'c'])
      },
    },
    {
      title: 'inspect of a free resource finds nothing',
      run: async (world) => {
        const [a] = world.sessions('a')
        expect(await a.inspect('file:x')).toEqual({ type: 'inspected', leases: [], waiting: [], previous: null })
      },
    },
    {
      title: 'a lease tells what its holder said: reason, metadata and claims',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const metadata = JSON.stringify({ text: `'"\\ 🔒 é`, list: [1, null, true] })
        const lock = await a.acquire(['file:x', 'file:y/**'], { reason: 'Ünïcode ✓', metadata })
        expect((await b.inspect('file:x')).leases).toEqual([
          {
            claim: { resourceId: 'file:x', mode: 'exclusive', scope: 'node' },
            claims: [
              { resourceId: 'file:x', mode: 'exclusive', scope: 'node' },
              { resourceId: 'file:y', mode: 'exclusive', scope: 'tree' },
            ],
            agentId: 'a',
            reason: 'Ünïcode ✓',
            metadata,
            wallLockedAt: lock.wallLockedAt,
            expiresAt: lock.expiresAt,
            fence: lock.fence,
            waiters: 0,
          },
        ])
      },
    },
    {
      title: 'the listing has one entry for each claim of each lease, and none for those who wait',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire(['file:x', 'file:y'])
        await b.acquire('file:z', { mode: 'shared' })
        await b.queue('file:x')
        const { leases, next } = await a.list()
        expect(idsOf(leases)).toEqual(['file:x', 'file:y', 'file:z'])
        expect(leases.find(({ claim }) => claim.resourceId === 'file:x')?.waiters).toBe(1)
        expect(next).toBeNull()
      },
    },
    {
      title: 'the listing takes a prefix as plain text',
      run: async (world) => {
        const [a] = world.sessions('a')
        for (const id of ['file:src/a', 'file:src/b%_*', 'file:src', 'state:src/a', 'file:srx', 'File:src/a'])
          await a.acquire(id)
        expect(idsOf((await a.list({ prefix: 'file:src' })).leases)).toEqual([
          'file:src',
          'file:src/a',
          'file:src/b%_*',
        ])
        expect(idsOf((await a.list({ prefix: 'file:src/b%' })).leases)).toEqual(['file:src/b%_*'])
        expect(idsOf((await a.list({ prefix: 'file:%' })).leases)).toEqual([])
        expect(idsOf((await a.list({ prefix: 'state:' })).leases)).toEqual(['state:src/a'])
      },
    },
    {
      title: 'the listing can be of one agent only',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        await a.acquire('file:x')
        await b.acquire('file:y')
        expect(idsOf((await a.list({ agentId: 'b' })).leases)).toEqual(['file:y'])
        expect((await a.list({ agentId: 'c' })).leases).toEqual([])
      },
    },
    {
      title: 'the listing can be of stale leases only: as old as asked for, however often they were extended',
      run: async (world) => {
        const [a] = world.sessions('a')
        const old = await a.acquire('file:x')
        await world.advance(SOON_MS)
        await a.extend(old, 60_000)
        await a.acquire('file:y')
        expect(idsOf((await a.list({ minAgeMs: SOON_MS })).leases)).toEqual(['file:x'])
        expect((await a.list({ minAgeMs: 100_000 })).leases).toEqual([])
      },
    },
    {
      title: 'a long listing comes in pages, which together name everything once',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        const ids = Array.from({ length: 600 }, (_, index) => `file:t/${index}`)
        for (let sent = 0; sent < ids.length; sent += 100) {
          const mode = sent < 300 ? 'exclusive' : 'shared'
          await a.send(ids.slice(sent, sent + 100).map((id) => a.asking(id, { mode })))
        }
        await a.acquire('state:other')
        const pages = await listAll(b, 'file:')
        expect(pages.length).toBeGreaterThan(1)
        expect(idsOf(pages.flat())).toEqual(ids.toSorted())
      },
    },
    {
      title: 'pages go on where they were although leases come and go meanwhile',
      run: async (world) => {
        const [a, b] = world.sessions('a', 'b')
        for (let sent = 0; sent < 600; sent += 100) {
          await a.send(Array.from({ length: 100 }, (_, index) => a.asking(`file:t/${1000 + sent + index}`)))
        }
        const first = await b.list()
        const seen = idsOf(first.leases)
        await a.force(seen.at(-1) ?? '')
        await a.acquire('file:t/0')
        const rest = []
        for (let after = first.next; after !== null;) {
          const page = await b.list({ after })
          rest.push(...idsOf(page.leases))
          after = page.next
        }
        expect([...seen, ...rest].filter((id) => id !== 'file:t/0')).toHaveLength(600)
        expect(new Set([...seen, ...rest]).size).toBe(seen.length + rest.length)
      },
    },
  ],
}

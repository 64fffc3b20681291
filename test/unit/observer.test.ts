import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import type { LockEvent } from '../../src/core/model.ts'
import type { EventBusLike } from '../../src/core/reporting/eventbus.ts'
import { EventBus, getEventBus } from '../../src/core/reporting/eventbus.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { Faults } from '../support/faulty-store.ts'
import { failure, manager, observed, waitersOf } from '../support/managers.ts'
import { follow, World } from '../support/simulated-client.ts'

const agentId = 'agent-a'
const ofFile = { resource_type: 'file', agent_id: agentId }

async function metric(registry: Registry, name: string): Promise<{ labels: object; value: number }[]> {
  const values = (await registry.getSingleMetric(`resource_lock${name}`)?.get())?.values ?? []
  return values.map(({ labels, value }) => ({ labels, value }))
}

/** How often something was measured, and the sum of it. */
async function histogram(registry: Registry, labels: object): Promise<[count: number, sum: number]> {
  const values = (await registry.getSingleMetric('resource_lock_wait_time_seconds')?.get())?.values ?? []
  const part = (name: string): number =>
    values.find(
      (each) =>
        (each as { metricName?: string }).metricName === `resource_lock_wait_time_seconds_${name}` &&
        JSON.stringify(each.labels) === JSON.stringify(labels),
    )?.value ?? 0
  return [part('count'), part('sum')]
}

describe('the metrics of a manager', () => {
  test('count a grant, its wait of 0 and its release, once per resource', async () => {
    const { locks, registry } = observed()
    const lock = await locks.acquire(['file:a', 'file:b', 'port:1'], { agentId })
    expect(await metric(registry, '_acquisitions_total')).toEqual([
      { labels: ofFile, value: 2 },
      { labels: { resource_type: 'port', agent_id: agentId }, value: 1 },
    ])
    expect(await histogram(registry, ofFile)).toEqual([2, 0])
    expect(await metric(registry, 's_active')).toEqual([
      { labels: { resource_type: 'file' }, value: 2 },
      { labels: { resource_type: 'port' }, value: 1 },
    ])
    expect(await metric(registry, '_contentions_total')).toEqual([])
    await lock.release()
    await lock.release()
    expect(await metric(registry, '_releases_total')).toEqual([
      { labels: ofFile, value: 2 },
      { labels: { resource_type: 'port', agent_id: agentId }, value: 1 },
    ])
    expect((await metric(registry, 's_active')).map(({ value }) => value)).toEqual([0, 0])
  })

  test('count contention for whatever is not granted at once: a wait, and BUSY', async () => {
    const store = memoryStore()
    const { locks, registry } = observed({ store })
    const held = await manager({ store }).acquire('file:a', { agentId: 'holder' })
    expect(await locks.tryAcquire('file:a', { agentId })).toBeNull()
    await failure(() => locks.acquire('file:a', { agentId, waitTimeout: 0 }))
    expect(await metric(registry, '_contentions_total')).toEqual([{ labels: ofFile, value: 2 }])
    expect(await metric(registry, '_timeouts_total')).toEqual([])
    const waiting = locks.acquire('file:a', { agentId })
    await waitersOf(locks, 'file:a', 1)
    expect(await metric(registry, '_contentions_total')).toEqual([{ labels: ofFile, value: 3 }])
    await held.release()
    await (await waiting).release()
    const [count, sum] = await histogram(registry, ofFile)
    expect(count).toBe(1)
    expect(sum).toBeGreaterThan(0)
  })

  test('count WAIT_TIMEOUT, but neither BUSY nor an abort', async () => {
    const { locks, registry } = observed()
    await locks.acquire('file:a', { agentId: 'holder' })
    await failure(() => locks.acquire(['file:a', 'file:b'], { agentId, waitTimeout: '5ms' }))
    expect(await metric(registry, '_timeouts_total')).toEqual([{ labels: ofFile, value: 2 }])
    const controller = new AbortController()
    const waiting = locks.acquire('file:a', { agentId, signal: controller.signal })
    await waitersOf(locks, 'file:a', 1)
    controller.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    expect(await metric(registry, '_timeouts_total')).toEqual([{ labels: ofFile, value: 2 }])
    expect(await histogram(registry, ofFile)).toEqual([0, 0])
  })

  test('bring the gauge back to 0 on every kind of loss, and count no release for it', async () => {
    for (const kind of ['expired', 'forced', 'epoch', 'unreachable', 'closed']) {
      const world = new World()
      const registry = new Registry()
      const faults = new Faults()
      const client = await world.client({ registry, faults })
      const lock = await client.acquire(['file:a', 'file:b'], { agentId, autoExtend: kind === 'unreachable' })
      const { signal } = lock
      if (kind === 'expired') await world.clock.advance(30_000)
      if (kind === 'forced') {
        await client.inspection.forceUnlock('file:a', { adminAgentId: 'admin', reason: 'test' })
        await world.clock.advance(2_001)
      }
      if (kind === 'epoch') {
        world.loseData()
        await world.clock.advance(2_001)
      }
      if (kind === 'unreachable') {
        faults.onApply = () => new Promise(() => {})
        await world.clock.advance(30_000)
      }
      if (kind === 'closed') await client.session.close()
      expect(signal.reason).toMatchObject({ loss: { kind } })
      expect(await lock.release()).toBe(false)
      expect(await metric(registry, 's_active')).toEqual([{ labels: { resource_type: 'file' }, value: 0 }])
      expect(await metric(registry, '_releases_total')).toEqual([])
      expect(await metric(registry, '_losses_total')).toEqual([{ labels: { resource_type: 'file', kind }, value: 2 }])
    }
  })

  test('stay as they are where a grant crossed an abort', async () => {
    const world = new World()
    const registry = new Registry()
    const faults = new Faults()
    faults.onApply = async (_batch, apply) => {
      const answer = await apply()
      await world.clock.sleep(100)
      return answer
    }
    const client = await world.client({ registry, faults })
    const controller = new AbortController()
    const waited = follow(client.acquire('file:a', { signal: controller.signal }))
    await world.clock.advance(50)
    controller.abort()
    await world.clock.advance(1_000)
    expect(waited.state).toBe('rejected')
    for (const name of ['_acquisitions_total', 's_active', '_releases_total', '_contentions_total']) {
      expect((await metric(registry, name)).filter(({ value }) => value !== 0)).toEqual([])
    }
  })

  test('of two managers on one registry add up', async () => {
    const { locks, registry } = observed()
    const other = manager({ registry, metrics: true })
    await locks.acquire('file:a', { agentId })
    const lock = await other.acquire('file:b', { agentId })
    expect(await metric(registry, 's_active')).toEqual([{ labels: { resource_type: 'file' }, value: 2 }])
    await lock.release()
    expect(await metric(registry, '_acquisitions_total')).toEqual([{ labels: ofFile, value: 2 }])
    expect(await metric(registry, '_releases_total')).toEqual([{ labels: ofFile, value: 1 }])
    expect(await metric(registry, 's_active')).toEqual([{ labels: { resource_type: 'file' }, value: 1 }])
  })

  test('cap the number of agents', async () => {
    const { locks, registry } = observed({ maxAgentLabels: 2 })
    for (const name of ['one', 'two', 'three', 'four', 'one'])
      await locks.acquire(`file:${Math.random()}`, { agentId: name })
    expect((await metric(registry, '_acquisitions_total')).map(({ labels, value }) => ({ ...labels, value }))).toEqual([
      { resource_type: 'file', agent_id: 'one', value: 2 },
      { resource_type: 'file', agent_id: 'two', value: 1 },
      { resource_type: 'file', agent_id: 'other', value: 2 },
    ])
  })
})

describe('the event bus of a manager', () => {
  test('tells of each transition of this process, as it stands in the log', async () => {
    const store = memoryStore()
    const { locks, events } = observed({ store })
    const watcher = manager({ store })
    const logged = watcher.watch()
    const first = logged.next()
    await watcher.isLocked('x')
    await new Promise((resolve) => void setImmediate(resolve))
    await locks.isLocked('x')
    const lock = await locks.acquire('file:a', { agentId, reason: 'why', metadata: { step: 1 } })
    await lock.extend()
    await failure(() => locks.acquire('file:a', { agentId: 'late', waitTimeout: '5ms' }))
    await lock.release()
    const log: LockEvent[] = [(await first).value as LockEvent]
    while (log.length < 5) log.push((await logged.next()).value as LockEvent)
    await logged.return()
    expect(events.map(({ type }) => type)).toEqual([
      'resource.locked',
      'resource.extended',
      'resource.waiting',
      'resource.abandoned',
      'resource.unlocked',
    ])
    const plain = ({ at, heldMs, waitedMs, cursor, ...event }: LockEvent): object => ({
      ...event,
      isDated: at instanceof Date,
      // Where the store noticed first that the time of a wait was up, only its log has the place.
      ...(event.type === 'resource.abandoned' ? {} : { cursor }),
      timed: [heldMs !== undefined, waitedMs !== undefined],
    })
    expect(events.map(plain)).toEqual(log.map(plain))
  })

  test('tells nothing of BUSY, of renewals, nor of what others do', async () => {
    const store = memoryStore()
    const { locks, events } = observed({ store })
    await manager({ store }).acquire('file:a', { agentId: 'other' })
    await failure(() => locks.acquire('file:a', { agentId, waitTimeout: 0 }))
    expect(events).toEqual([])
  })

  test('tells exactly one end of each lock', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    const ends: Record<string, () => Promise<unknown>> = {
      released: async () => (await client.acquire('x')).release(),
      'released twice': async () => {
        const lock = await client.acquire('x')
        await Promise.all([lock.release(), lock.release()])
      },
      expired: async () => {
        await client.acquire('x', { timeout: '1s' })
        await world.clock.advance(5_000)
      },
      'expired while it is released': async () => {
        const lock = await client.acquire('x', { timeout: '1s' })
        client.faults.onApply = async (_batch, apply) => {
          await world.clock.sleep(1_500)
          return apply()
        }
        const released = lock.release()
        await world.clock.advance(5_000)
        client.faults.onApply = (_batch, apply) => apply()
        expect(await released).toBe(false)
      },
      'forced while it is released': async () => {
        const lock = await client.acquire('x')
        const forced = other.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' })
        const released = lock.release()
        await Promise.all([forced, released])
        await world.clock.advance(5_000)
      },
      forced: async () => {
        await client.acquire('x')
        await client.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' })
        await world.clock.advance(5_000)
      },
    }
    for (const [how, run] of Object.entries(ends)) {
      client.events.splice(0)
      await run()
      const types = client.events.map(({ type }) => type)
      expect([how, ...types]).toEqual([how, 'resource.locked', expect.stringMatching(/^resource.(unlocked|expired)$/)])
      expect((await world.state('x')).held).toEqual([])
    }
  })

  test('is the one of the process by default', async () => {
    const locks = manager({ eventBus: getEventBus(), namespace: 'shared-bus' })
    const seen: LockEvent[] = []
    const end = getEventBus().subscribe('*', (event) => void seen.push(event))
    await (await locks.acquire('x', { agentId })).release()
    end()
    expect(seen.map(({ type }) => type)).toEqual(['resource.locked', 'resource.unlocked'])
  })

  test('may be shared by two managers', async () => {
    const eventBus = new EventBus()
    const types: string[] = []
    eventBus.subscribe('*', ({ type }) => void types.push(type))
    const [a, b] = [manager({ eventBus }), manager({ eventBus })]
    await a.acquire('x', { agentId })
    await b.acquire('x', { agentId })
    expect(types).toEqual(['resource.locked', 'resource.locked'])
  })

  test('may be any object that publishes, and harms nothing where it throws', async () => {
    const published: LockEvent[] = []
    const eventBus: EventBusLike = {
      publish: (event) => {
        published.push(event)
        throw new Error('no bus today')
      },
      subscribe: () => () => {},
    }
    const locks = manager({ eventBus })
    const lock = await locks.acquire('x', { agentId })
    expect(await failure(() => locks.acquire('x', { agentId, waitTimeout: '5ms' }))).toMatchObject({
      code: 'WAIT_TIMEOUT',
    })
    expect(await lock.release()).toBe(true)
    expect(published.map(({ type }) => type)).toHaveLength(4)
  })
})

import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/core/store.ts'
import { broken, Faults, hang } from '../support/faulty-store.ts'
import { type Client, follow, World } from '../support/simulated-client.ts'

type Deliver = (messages: readonly Message[]) => void
const drop = (): void => {}

/** Somebody holds `x`; `client` waits for it. */
async function waitingFor(world: World, client: Client, options: object) {
  const holder = await world.client()
  const held = await holder.acquire('x', { agentId: 'holder', timeout: '10m' })
  const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: '5m', ...options }))
  await world.clock.advance(500)
  expect(waited.state).toBe('open')
  return { held, waited }
}

describe('a lease granted by push', () => {
  test('is usable at once, until the session would be dead', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    await world.clock.advance(1_000)
    const sentBefore = client.faults.sent.length
    await held.release()
    await world.clock.advance(0)
    expect(waited.state).toBe('resolved')
    expect(client.faults.sent).toHaveLength(sentBefore)
    // 1.5 s of the dead time have passed since the last answered batch.
    expect(waited.value?.remainingMs()).toBe(6_000 - 1_500 - 60)
  })

  test('is full from when its confirmation was sent', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    await held.release()
    await world.clock.advance(2_000)
    const lock = waited.value
    const sinceBeat = 500
    expect(lock?.remainingMs()).toBe(29_700 - sinceBeat)
    expect(lock?.expiresAt.getTime()).toBe(world.clock.wallMs() + 30_000 - sinceBeat)
    const { leases } = await world.inspect('x')
    expect(leases[0]?.expiresAt).toBe(world.clock.monotonicMs() + 30_000 - sinceBeat)
  })

  test('is given back also where it was lost while its release waited for the store', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '10m' })
    // The store hears the heartbeat, so for it the session lives; the session hears nothing for longer than that.
    faults.onApply = async (_batch, apply) => {
      const answer = await apply()
      await world.clock.sleep(5_500)
      return answer
    }
    await world.clock.advance(2_000)
    await held.release()
    await world.clock.advance(0)
    const released = follow(waited.value?.release() ?? Promise.reject(new Error('It was not granted.')))
    faults.onApply = (_batch, apply) => apply()
    await world.clock.advance(5_100)
    expect(released).toMatchObject({ state: 'resolved', value: false })
    await client.inspection.getOwner('y')
    expect((await world.state('x')).held).toEqual([])
  })

  test('is lost as unreachable if it is never confirmed, before the store gives it away', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    faults.onApply = hang
    await held.release()
    await world.clock.advance(0)
    const lock = waited.value
    await world.clock.advance(5_439)
    expect(lock?.isHeld).toBe(true)
    expect((await world.state('x')).held).toEqual(['waiter'])
    await world.clock.advance(1)
    expect(lock?.signal.reason).toMatchObject({ loss: { kind: 'unreachable' } })
    await world.clock.advance(60)
    expect((await world.state('x')).held).toEqual([])
  })

  test('that lasts less than the dead time is confirmed before it is used', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '3s' })
    let confirm = (): void => {}
    client.faults.onApply = async (_batch, apply) => {
      await new Promise<void>((resolve) => (confirm = resolve))
      return apply()
    }
    await held.release()
    await world.clock.advance(1_000)
    expect(waited.state).toBe('open')
    client.faults.onApply = (_batch, apply) => apply()
    confirm()
    await world.clock.advance(0)
    expect(waited.state).toBe('resolved')
    expect(waited.value?.remainingMs()).toBe(3_000 - 1_000 - 50)
    expect(waited.value?.expiresAt.getTime()).toBe(world.clock.wallMs() + 3_000)
  })

  test('whose confirmation comes too late is waited for again', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '1s' })
    const late = world.clock.sleep(3_000)
    client.faults.onApply = (_batch, apply) => late.then(apply)
    await held.release()
    await world.clock.advance(1_500)
    expect((await world.state('x')).held).toEqual([])
    client.faults.onApply = (_batch, apply) => apply()
    await world.clock.advance(2_000)
    expect(waited.state).toBe('resolved')
    expect((await world.state('x')).held).toEqual(waited.value?.isHeld === true ? ['waiter'] : [])
  })

  test('is not taken for confirmed where the store had more to end than one batch may', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '200ms' })
    const many = await world.client()
    for (let i = 0; i < 300; i += 1) void many.acquire(`y:${i}`, { timeout: '150ms' })
    await world.clock.advance(0)
    let arrive = drop
    client.faults.onPush = (messages, deliver) => (arrive = () => deliver(messages))
    await held.release()
    await world.clock.advance(0)
    // Everybody stands still; then the first batch of all is the one that acknowledges the grant, and its answer the
    // last thing that the client hears.
    world.clock.freeze(600)
    client.faults.onPush = drop
    let batches = 0
    client.faults.onApply = (_batch, apply) => ((batches += 1) === 1 ? apply() : hang())
    arrive()
    await world.clock.advance(0)
    const other = await world.client()
    const next = follow(other.acquire('x', { agentId: 'next', timeout: '200ms' }))
    await world.clock.advance(0)
    expect(next.value?.isHeld).toBe(true)
    expect(waited.state).toBe('open')
  })

  test('is not taken for confirmed where the answer had no room for its loss', async () => {
    const world = new World()
    const client = await world.client()
    const holder = await world.client()
    const count = 300
    const held = await holder.acquire('x:**', { agentId: 'holder', timeout: '10m' })
    const waits = Array.from({ length: count }, (_, i) =>
      follow(client.acquire(`x:${i}`, { timeout: '200ms', waitTimeout: 'forever' })),
    )
    await world.clock.advance(10)
    const arrived: (() => void)[] = []
    client.faults.onPush = (messages, deliver) => void arrived.push(() => deliver(messages))
    await held.release()
    await world.clock.advance(0)
    // Two more batches, because one grants no more than 256.
    await world.inspect('x:0')
    await world.inspect('x:0')
    world.clock.freeze(600)
    client.faults.onPush = drop
    let batches = 0
    client.faults.onApply = (_batch, apply) => ((batches += 1) === 1 ? apply() : hang())
    for (const arrive of arrived) arrive()
    await world.clock.advance(0)
    expect(waits.filter(({ state }) => state !== 'open')).toEqual([])
  })

  test('is full from its confirmation, also where somebody who shares it has extended it before', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '10s' })
    await held.release()
    await world.clock.advance(0)
    const sharing = await world.client()
    const shared = await sharing.acquire('x', { agentId: 'waiter', timeout: '10s', holding: present(waited.value) })
    await shared.extend()
    await world.clock.advance(2_000)
    const { leases } = await world.inspect('x')
    expect(leases[0]?.expiresAt).toBeGreaterThan(world.clock.monotonicMs() + present(waited.value).remainingMs())
  })

  test('never outlives maxHold, whichever of lease, maxHold and dead time is the shortest', async () => {
    for (const [timeout, maxHold] of [
      ['30s', '1s'],
      ['30s', '10s'],
      ['30s', '30s'],
      ['30s', '31s'],
      ['2s', '3s'],
    ] as const) {
      const world = new World()
      const client = await world.client()
      const { held, waited } = await waitingFor(world, client, { timeout, autoExtend: { maxHold } })
      await world.clock.advance(700)
      await held.release()
      for (let passed = 0; passed < 36_000; passed += 50) {
        await world.clock.advance(50)
        if (waited.value?.isHeld !== true) continue
        const { leases } = await world.inspect('x')
        expect(leases[0]?.agentId, `${timeout} ${maxHold}`).toBe('waiter')
        expect(leases[0]?.expiresAt).toBeGreaterThan(world.clock.monotonicMs() + waited.value.remainingMs())
      }
      expect(waited.state).toBe('resolved')
      expect(waited.value?.isHeld).toBe(false)
    }
  })

  test('brings who held it before, how many wait and how long it took', async () => {
    const world = new World()
    const client = await world.client()
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    const third = await world.client()
    void third.acquire('x', { agentId: 'third', waitTimeout: 'forever' })
    await world.clock.advance(0)
    await held.release()
    await world.clock.advance(0)
    expect(waited.value?.previous).toMatchObject({ agentId: 'holder', fencingToken: held.fencingToken })
    const wanted: number[] = []
    waited.value?.onWanted(({ waiters }) => wanted.push(waiters))
    expect(wanted).toEqual([1])
    expect(client.events.find(({ type }) => type === 'resource.locked')).toMatchObject({ waitedMs: 500 })
  })
})

describe('a push', () => {
  test('that was lost is made up for by the next heartbeat', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = drop
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    await held.release()
    await world.clock.advance(1_499)
    expect(waited.state).toBe('open')
    await world.clock.advance(2)
    expect(waited.state).toBe('resolved')
    expect(waited.value?.isHeld).toBe(true)
  })

  test('that was lost while others came is made up for at once', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    const other = await world.client()
    const y = await other.acquire('y')
    const waitedY = follow(client.acquire('y', { agentId: 'waiter', timeout: '30s' }))
    await world.clock.advance(0)
    faults.onPush = drop
    await held.release()
    faults.onPush = (messages, deliver) => deliver(messages)
    await y.release()
    await world.clock.advance(0)
    expect([waited.state, waitedY.state]).toEqual(['resolved', 'resolved'])
  })

  test('that comes twice, late and out of order grants each lock once', async () => {
    const world = new World()
    const faults = new Faults()
    const kept: (readonly Message[])[] = []
    let deliverNow: Deliver = drop
    faults.onPush = (messages, deliver) => {
      kept.push(messages)
      deliverNow = deliver
    }
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    const other = await world.client()
    const y = await other.acquire('y')
    const waitedY = follow(client.acquire('y', { agentId: 'waiter', timeout: '30s' }))
    await world.clock.advance(0)
    await held.release()
    await y.release()
    for (const messages of [...kept.toReversed(), ...kept, ...kept]) deliverNow(messages)
    await world.clock.advance(2_000)
    expect([waited.state, waitedY.state]).toEqual(['resolved', 'resolved'])
    for (const messages of kept) deliverNow(messages)
    await world.clock.advance(2_000)
    expect([waited.value?.isHeld, waitedY.value?.isHeld]).toEqual([true, true])
    expect((await world.state('x')).held).toEqual(['waiter'])
    expect(client.events.filter(({ type }) => type === 'resource.locked')).toHaveLength(2)
  })

  test.for([true, false])('that overtakes the answer of its own request finds it (known: %s)', async (isKnown) => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const holder = await world.client()
    const held = await holder.acquire('x', { agentId: 'holder' })
    if (isKnown) await client.acquire('y')
    faults.onApply = async (_batch, apply) => {
      const answer = await apply()
      await world.clock.sleep(1_000)
      return answer
    }
    const waited = follow(client.acquire('x', { agentId: 'waiter', timeout: '30s' }))
    await world.clock.advance(500)
    await held.release()
    // A session that the store does not know yet believes answers only.
    await world.clock.advance(isKnown ? 500 : 1_500)
    expect(waited.state).toBe('resolved')
    expect(waited.value?.isHeld).toBe(true)
    await world.clock.advance(5_000)
    expect((await world.state('x')).held).toEqual(['waiter'])
  })

  test('is asked for again after an interruption of the subscription', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = drop
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    await held.release()
    faults.interrupt()
    await world.clock.advance(0)
    expect(waited.state).toBe('resolved')
  })

  test('says that a lock was forced, by whom and why', async () => {
    const world = new World()
    const client = await world.client()
    await client.session.listen()
    const lock = await client.acquire('x', { timeout: '30s' })
    const { signal } = lock
    const admin = await world.client()
    await admin.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'stuck' })
    await world.clock.advance(0)
    expect(signal.reason).toMatchObject({ loss: { kind: 'forced', by: 'admin', reason: 'stuck' } })
    expect(client.events.at(-1)).toMatchObject({
      type: 'resource.unlocked',
      forced: { by: 'admin', reason: 'stuck' },
    })
  })

  test('that was lost of a forced lock costs at most a heartbeat', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = drop
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '30s' })
    const admin = await world.client()
    await admin.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'stuck' })
    await world.clock.advance(2_001)
    expect(lock.isHeld).toBe(false)
  })
})

describe('an answer', () => {
  test('that could not bring all messages does not move the base of what the rest of them grant', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = drop
    const client = await world.client({ faults })
    const { held, waited } = await waitingFor(world, client, { timeout: '30s' })
    await world.clock.advance(1_000)
    await held.release()
    // As if more than a page of messages had been posted before this one.
    let pages = 0
    faults.onApply = async (_batch, apply) => {
      pages += 1
      if (pages > 2) return broken()
      const answer = await apply()
      return pages === 1 ? { ...answer, messages: [], more: true } : answer
    }
    await world.clock.advance(500)
    expect(waited.state).toBe('resolved')
    for (let passed = 0; passed < 7_000; passed += 20) {
      await world.clock.advance(20)
      if (waited.value?.isHeld === true) expect((await world.state('x')).held).toEqual(['waiter'])
    }
    expect(waited.value?.isHeld).toBe(false)
  })
})

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('It is not there yet.')
  return value
}

import { describe, expect, test } from 'vitest'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { Answer, Batch, Message } from '../../src/core/store.ts'
import { Faults, refused } from '../support/faulty-store.ts'
import { type Client, follow, World } from '../support/simulated-client.ts'

const passes = (_batch: Batch, apply: () => Promise<Answer>): Promise<Answer> => apply()

/** Nothing reaches the store for so long. */
async function cutOff(world: World, faults: Faults, ms: number): Promise<void> {
  const over = world.clock.sleep(ms)
  faults.onApply = (_batch, apply) => over.then(apply)
  await world.clock.advance(ms)
  faults.onApply = passes
  await world.clock.advance(0)
}

/** One waits for what the other holds and lets go of, and has two seconds to hear of it. */
async function grantedByPush(world: World, client: Client, other: Client): Promise<ReturnType<typeof follow<Lock>>> {
  const held = await other.acquire('x', { agentId: 'holder' })
  const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: '1m' }))
  await world.clock.advance(0)
  await held.release()
  await world.clock.advance(2_000)
  return waited
}

/** A lock that was ended while its session heard nothing; `over` resolves when the session is taken for dead. */
async function endedUnheard(): Promise<{ world: World; faults: Faults; lock: Lock; over: Promise<void> }> {
  const world = new World()
  const faults = new Faults()
  const client = await world.client({ faults })
  const lock = await client.acquire('x', { timeout: '60s' })
  const other = await world.client()
  faults.onPush = () => {}
  await other.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' })
  const over = world.clock.sleep(9_000)
  return { world, faults, lock, over }
}

describe('a session that was silent past its dead time', () => {
  test('waits again, at the end of the line', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    const first = follow(client.acquire('x', { agentId: 'first', waitTimeout: 'forever' }))
    await world.clock.advance(0)
    const second = follow(other.acquire('x', { agentId: 'second', waitTimeout: 'forever' }))
    await world.clock.advance(0)
    await cutOff(world, faults, 9_000)
    expect(await world.state('x')).toEqual({ held: ['holder'], waiting: ['second', 'first'] })
    await held.release()
    await world.clock.advance(0)
    expect([first.state, second.state]).toEqual(['open', 'resolved'])
    await second.value?.release()
    await world.clock.advance(2_000)
    expect(first.value?.isHeld).toBe(true)
  })

  test('waits no longer in all than its waitTimeout', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    const waited = follow(client.acquire('x', { waitTimeout: '12s' }))
    await world.clock.advance(0)
    await cutOff(world, faults, 9_000)
    await world.clock.advance(2_999)
    expect(waited.state).toBe('open')
    await world.clock.advance(1)
    expect(waited.error).toMatchObject({ code: 'WAIT_TIMEOUT', holders: [{ agentId: 'holder' }] })
    expect((await world.state('x')).waiting).toEqual([])
  })

  test('keeps the locks whose lease still stands', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '60s' })
    await cutOff(world, faults, 9_000)
    expect(lock.isHeld).toBe(true)
    expect(lock.remainingMs()).toBe(51_000 - 510)
    expect((await world.state('x')).held).toEqual(['agent'])
    expect(await lock.release()).toBe(true)
  })

  test('finds out which of its locks were ended meanwhile, even if no message says so', async () => {
    const { world, faults, lock, over } = await endedUnheard()
    faults.onApply = async (_batch, apply) => {
      await over
      return { ...(await apply()), messages: [] }
    }
    await world.clock.advance(9_001)
    expect(lock.isHeld).toBe(false)
  })

  test('asks again for its locks where the store refuses to say which of them stand', async () => {
    const { world, faults, lock, over } = await endedUnheard()
    let refusals = 0
    faults.onApply = async ({ steps }, apply) => {
      await over
      if (steps.some(({ type }) => type === 'extend') && refusals === 0) {
        refusals += 1
        refused()
      }
      return { ...(await apply()), messages: [] }
    }
    await world.clock.advance(9_001)
    expect([lock.isHeld, refusals]).toEqual([true, 1])
    await world.clock.advance(2_000)
    expect(lock.isHeld).toBe(false)
  })

  test('gives back a grant that came after it had been given up', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = () => {}
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    const waited = follow(client.acquire('x', { waitTimeout: '1m', timeout: '60s' }))
    await world.clock.advance(1_000)
    const over = world.clock.sleep(9_000)
    faults.onApply = (_batch, apply) => over.then(apply)
    await held.release()
    await world.clock.advance(9_000)
    faults.onApply = passes
    await world.clock.advance(2_001)
    expect(waited.value?.isHeld).toBe(true)
    expect((await world.inspect('x')).leases.map(({ fence }) => fence)).toEqual([waited.value?.fencingToken])
    await waited.value?.release()
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
  })
})

describe('a session that the store has forgotten', () => {
  test('is granted locks by push as before', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    for (let round = 0; round < 3; round += 1) {
      const waited = await grantedByPush(world, client, other)
      expect(waited.state, `round ${round}`).toBe('resolved')
      await waited.value?.release()
      // Nobody waits or holds: the session is silent, and the store forgets it.
      await world.clock.advance(700_000)
      await other.acquire('y').then((lock) => lock.release())
    }
  })

  test('is told of a forced lock as before', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    for (let round = 0; round < 3; round += 1) {
      const lock = await client.acquire('x', { timeout: '10m' })
      const { signal } = lock
      await other.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' })
      await world.clock.advance(2_000)
      expect(signal.aborted, `round ${round}`).toBe(true)
      await world.clock.advance(700_000)
      await other.acquire('y').then((each) => each.release())
    }
  })

  test('never gives up a lock that it holds because of a message that comes late', async () => {
    const world = new World()
    const faults = new Faults()
    const pushed: Message[] = []
    let deliverNow: (messages: readonly Message[]) => void = () => {}
    faults.onPush = (messages, deliver) => {
      pushed.push(...messages)
      deliverNow = deliver
      deliver(messages)
    }
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { agentId: 'holder' })
    const waited = follow(client.acquire('x', { timeout: '1h', waitTimeout: '1m' }))
    await world.clock.advance(0)
    await held.release()
    await world.clock.advance(2_000)
    await cutOff(world, faults, 9_000)
    deliverNow(pushed)
    await world.clock.advance(4_000)
    expect(waited.value?.isHeld).toBe(true)
    expect((await world.state('x')).held).toEqual(['agent'])
  })
})

describe('a store that lost its data', () => {
  test('costs every lock, as an epoch, at the next heartbeat', async () => {
    const world = new World()
    const client = await world.client()
    const locks = await Promise.all(['x', 'y'].map((name) => client.acquire(name, { timeout: '60s' })))
    world.loseData()
    await world.clock.advance(2_001)
    for (const lock of locks) expect(lock.signal.reason).toMatchObject({ code: 'LOST', loss: { kind: 'epoch' } })
    expect(await locks[0]?.release()).toBe(false)
    await expect(locks[1]?.extend()).rejects.toMatchObject({ loss: { kind: 'epoch' } })
    expect(client.events.map(({ type }) => type).filter((type) => type === 'resource.expired')).toHaveLength(2)
  })

  test('lets every wait start again, and later tokens are greater all the same', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    const before = await client.acquire('x', { timeout: '60s' })
    const waited = follow(other.acquire('x', { agentId: 'waiter', waitTimeout: '1m' }))
    await world.clock.advance(0)
    world.loseData()
    await world.clock.advance(2_001)
    expect(waited.value?.isHeld).toBe(true)
    expect(waited.value?.fencingToken).toBeGreaterThan(before.fencingToken)
  })

  test('gives the same answers to calls that were under way', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '60s' })
    world.loseData()
    const other = await client.acquire('y', { timeout: '60s' })
    expect(lock.isHeld).toBe(false)
    expect(other.isHeld).toBe(true)
    world.loseData()
    expect(await other.release()).toBe(false)
  })

  test('grants by push as before', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    for (let round = 0; round < 3; round += 1) {
      expect((await grantedByPush(world, client, other)).state, `round ${round}`).toBe('resolved')
      world.loseData()
      await world.clock.advance(2_001)
    }
  })
})

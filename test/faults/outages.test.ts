import { describe, expect, test } from 'vitest'
import type { Answer, Batch } from '../../src/core/store.ts'
import { broken, Faults, hang, loseAnswer, refused } from '../support/faulty-store.ts'
import { follow, World } from '../support/simulated-client.ts'

const passes = (_batch: Batch, apply: () => Promise<Answer>): Promise<Answer> => apply()

describe('a batch whose answer was lost', () => {
  test('is repeated under its number, and applied once', async () => {
    const world = new World()
    const faults = new Faults()
    let losses = 3
    faults.onApply = (_batch, apply) => ((losses -= 1) >= 0 ? loseAnswer(apply) : apply())
    const client = await world.client({ faults })
    const acquired = follow(client.acquire('x'))
    await world.clock.advance(1_000)
    expect(acquired.value?.isHeld).toBe(true)
    expect(faults.sent.map(({ number }) => number)).toEqual([1, 1, 1, 1])
    const { leases } = await world.inspect('x')
    expect(leases.map(({ fence }) => fence)).toEqual([acquired.value?.fencingToken])
    losses = 1
    const released = follow(acquired.value?.release() ?? Promise.reject(new Error('no lock')))
    await world.clock.advance(100)
    expect(released.value).toBe(true)
    expect(client.events.map(({ type }) => type)).toEqual(['resource.locked', 'resource.unlocked'])
  })

  test('keeps its place in line', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    let losses = 2
    faults.onApply = (_batch, apply) => ((losses -= 1) >= 0 ? loseAnswer(apply) : apply())
    void client.acquire('x', { agentId: 'first', waitTimeout: 'forever' })
    await world.clock.advance(0)
    void other.acquire('x', { agentId: 'second', waitTimeout: 'forever' })
    await world.clock.advance(1_000)
    expect((await world.state('x')).waiting).toEqual(['first', 'second'])
  })
})

describe('a store that does not answer', () => {
  test('fails a call after five seconds, and what it did after all is undone', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const over = world.clock.sleep(8_000)
    faults.onApply = async (_batch, apply) => {
      const answer = await apply()
      await over
      return answer
    }
    const acquired = follow(client.acquire('x', { timeout: '10m', waitTimeout: 'forever' }))
    await world.clock.advance(4_999)
    expect(acquired.state).toBe('open')
    await world.clock.advance(1)
    expect(acquired.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(String(acquired.error)).toMatch(/memory:.*5 seconds/)
    expect((await world.state('x')).held).toEqual(['agent'])
    await world.clock.advance(4_000)
    expect((await world.state('x')).held).toEqual([])
    expect(client.events).toEqual([])
  })

  test('fails what was queued behind, too, each after five seconds at most', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    faults.onApply = hang
    const first = follow(client.acquire('x'))
    await world.clock.advance(1_000)
    const second = follow(client.inspection.getOwner('x'))
    await world.clock.advance(4_000)
    expect(first.error).toMatchObject({ code: 'UNAVAILABLE' })
    await world.clock.advance(1_000)
    expect(second.error).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('fails a call after five seconds also where it is the subscription that hangs', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onSubscribe = hang
    const client = await world.client({ faults })
    const acquired = follow(client.acquire('x'))
    await world.clock.advance(5_000)
    expect(acquired.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(world.clock.pending).toBe(0)
  })

  test('gives no lock whose lease was over before the answer came', async () => {
    for (const isWaiting of [false, true]) {
      const world = new World()
      const faults = new Faults()
      const client = await world.client({ faults })
      const other = await world.client()
      const held = isWaiting ? await other.acquire('x') : undefined
      const acquired = follow(client.acquire('x', { timeout: '1s', waitTimeout: '1m' }))
      let called = false
      const done = follow(
        client.locking.withLock('y', { agentId: 'a', timeout: '1s' }, () => void (called = true), { chain: 'c' }),
      )
      faults.onApply = async (_batch, apply) => {
        const answer = await apply()
        await world.clock.sleep(1_500)
        return answer
      }
      await world.clock.advance(1_000)
      await held?.release()
      await world.clock.advance(1_000)
      if (!isWaiting) expect(acquired.error).toMatchObject({ code: 'UNAVAILABLE' })
      expect(done.error).toMatchObject({ code: 'UNAVAILABLE' })
      expect(called).toBe(false)
      faults.onApply = passes
      await world.clock.advance(10_000)
      expect(acquired.state).not.toBe('open')
      await world.clock.advance(10_000)
      expect(await world.state('x')).toEqual({ held: [], waiting: [] })
      expect(await world.state('y')).toEqual({ held: [], waiting: [] })
    }
  })

  test('leaves who is in line in line until it answers again', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { timeout: '10m' })
    const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: 'forever' }))
    await world.clock.advance(0)
    faults.onApply = broken
    await world.clock.advance(60_000)
    expect(waited.state).toBe('open')
    faults.onApply = passes
    await world.clock.advance(1_000)
    await held.release()
    await world.clock.advance(2_000)
    expect(waited.value?.isHeld).toBe(true)
  })

  test('that gives up a release is asked again until it can be reached', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '10m' })
    faults.onApply = hang
    let answer = (): void => {}
    faults.onApply = async (_batch, apply) => {
      await new Promise<void>((resolve) => (answer = resolve))
      return apply()
    }
    const released = follow(lock.release())
    await world.clock.advance(5_000)
    expect(released.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(lock.isHeld).toBe(false)
    faults.onApply = passes
    answer()
    await world.clock.advance(0)
    expect((await world.state('x')).held).toEqual([])
  })

  test('is asked again at growing pauses of at most a second', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onApply = broken
    const client = await world.client({ faults })
    const acquired = follow(client.acquire('x'))
    await world.clock.advance(5_000)
    expect(acquired.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(faults.sent.length).toBeGreaterThan(5)
    expect(faults.sent.length).toBeLessThan(12)
  })
})

describe('a batch that was certainly not executed', () => {
  test('fails at once, and alone', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    faults.onApply = refused
    const first = follow(client.acquire('x'))
    await world.clock.advance(0)
    expect(first.error).toMatchObject({ code: 'UNAVAILABLE' })
    faults.onApply = passes
    const second = await client.acquire('x')
    expect(second.isHeld).toBe(true)
    expect(faults.sent.map(({ number }) => number)).toEqual([1, 2])
  })

  test('costs no lock, and its release is sent again', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '10m' })
    let refusals = 3
    faults.onApply = (_batch, apply) => ((refusals -= 1) >= 0 ? refused() : apply())
    const released = follow(lock.release())
    await world.clock.advance(0)
    expect(released.error).toMatchObject({ code: 'UNAVAILABLE' })
    await world.clock.advance(5_000)
    expect((await world.state('x')).held).toEqual([])
  })

  test('does not lose what a lost lock still holds at the store', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '10m' })
    faults.onApply = refused
    world.clock.jumpWall(3_600_000)
    expect(lock.isHeld).toBe(false)
    await world.clock.advance(1_000)
    faults.onApply = passes
    await world.clock.advance(5_000)
    expect((await world.state('x')).held).toEqual([])
  })

  test('repeats in the background with pauses', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '10m' })
    faults.onApply = refused
    faults.sent.splice(0)
    const released = follow(lock.release())
    await world.clock.advance(60_000)
    expect(released.state).toBe('rejected')
    expect(faults.sent.length).toBeLessThan(80)
    expect(world.clock.keepingAlive).toBe(0)
  })
})

describe('a lease that somebody waits for', () => {
  test('is followed at its expiry by the next, without anybody asking', async () => {
    const world = new World()
    const client = await world.client()
    const dead = await world.client()
    await dead.acquire('x', { agentId: 'dead', timeout: '5s' })
    dead.faults.onApply = hang
    const waited = follow(client.acquire('x', { agentId: 'next', waitTimeout: '1m' }))
    await world.clock.advance(4_999)
    expect(waited.state).toBe('open')
    await world.clock.advance(1)
    expect(waited.state).toBe('resolved')
  })

  test('is followed by more than one batch can grant, at once', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    const tree = await other.acquire('t:**', { timeout: '10m' })
    const waits = Array.from({ length: 600 }, (_, index) => follow(client.acquire(`t:${index}`, { timeout: '1m' })))
    await world.clock.advance(0)
    await tree.release()
    await world.clock.advance(0)
    expect(waits.filter(({ state }) => state === 'resolved')).toHaveLength(600)
    await world.clock.advance(20_000)
    expect(waits.every(({ value }) => value?.isHeld)).toBe(true)
  })
})

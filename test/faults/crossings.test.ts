import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { Answer, Batch } from '../../src/core/store.ts'
import { Faults, hang, refused } from '../support/faulty-store.ts'
import { follow, World } from '../support/simulated-client.ts'

const passes = (_batch: Batch, apply: () => Promise<Answer>): Promise<Answer> => apply()

/** The answers of this store take so long, the requests reach it at once. */
function slowAnswers(world: World, ms: number): Faults {
  const faults = new Faults()
  faults.onApply = async (_batch, apply) => {
    const answer = await apply()
    await world.clock.sleep(ms)
    return answer
  }
  return faults
}

/** Its requests take so long. */
function slowRequests(world: World, ms: number): Faults {
  const faults = new Faults()
  faults.onApply = async (_batch, apply) => {
    await world.clock.sleep(ms)
    return apply()
  }
  return faults
}

describe('an abort', () => {
  test('before the call rejects with the reason and asks for nothing', async () => {
    const world = new World()
    const client = await world.client()
    await expect(client.acquire('x', { signal: AbortSignal.abort('why') })).rejects.toBe('why')
    expect(client.faults.sent).toEqual([])
  })

  test('in line leaves the line at once', async () => {
    const world = new World()
    const client = await world.client()
    await client.acquire('x', { agentId: 'holder' })
    const controller = new AbortController()
    const waited = follow(client.acquire('x', { agentId: 'waiter', signal: controller.signal }))
    await world.clock.advance(0)
    expect((await world.state('x')).waiting).toEqual(['waiter'])
    const reason = new Error('enough')
    controller.abort(reason)
    await world.clock.advance(0)
    expect(waited.error).toBe(reason)
    expect(await world.state('x')).toEqual({ held: ['holder'], waiting: [] })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(client.events.map(({ type }) => type)).toEqual(['resource.locked', 'resource.waiting', 'resource.abandoned'])
  })

  test('that a grant crosses, granted at once or by push, leaves nothing held', async () => {
    for (const isHeld of [false, true]) {
      const world = new World()
      const client = await world.client({ faults: slowAnswers(world, 1_000) })
      const other = await world.client()
      const held = isHeld ? await other.acquire('x') : undefined
      const controller = new AbortController()
      const waited = follow(client.acquire('x', { agentId: 'waiter', signal: controller.signal }))
      await world.clock.advance(500)
      await held?.release()
      expect((await world.state('x')).held).toEqual(['waiter'])
      controller.abort('enough')
      await world.clock.advance(0)
      expect(waited.error).toBe('enough')
      await world.clock.advance(4_000)
      expect(await world.state('x')).toEqual({ held: [], waiting: [] })
      expect(client.events).toEqual([])
    }
  })

  test('that cannot reach the store reaches it later', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    const controller = new AbortController()
    const { signal } = controller
    const waited = follow(client.acquire('x', { agentId: 'waiter', signal, waitTimeout: 'forever' }))
    // Another wait keeps the session alive.
    void client.acquire('x', { agentId: 'stays', waitTimeout: 'forever' })
    await world.clock.advance(0)
    faults.onApply = refused
    controller.abort('enough')
    await world.clock.advance(100)
    expect(waited.error).toBe('enough')
    faults.onApply = passes
    await world.clock.advance(4_000)
    expect((await world.state('x')).waiting).toEqual(['stays'])
  })

  test('ends the call also where the subscription hangs', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onSubscribe = hang
    const client = await world.client({ faults })
    const controller = new AbortController()
    const waited = follow(client.acquire('x', { signal: controller.signal }))
    await world.clock.advance(100)
    controller.abort('enough')
    await world.clock.advance(0)
    expect(waited.error).toBe('enough')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(world.clock.pending).toBe(0)
  })

  test('after the grant does nothing', async () => {
    const world = new World()
    const client = await world.client()
    const controller = new AbortController()
    const lock = await client.acquire('x', { signal: controller.signal })
    controller.abort()
    await world.clock.advance(100)
    expect(lock.isHeld).toBe(true)
    expect(lock.signal.aborted).toBe(false)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})

describe('a waitTimeout', () => {
  test('that a grant crosses leaves nothing held', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onPush = () => {}
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x')
    const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: '1s', timeout: '10m' }))
    await world.clock.advance(999)
    faults.onApply = slowRequests(world, 500).onApply
    await held.release()
    expect((await world.state('x')).held).toEqual(['waiter'])
    await world.clock.advance(1_000)
    expect(waited.error).toMatchObject({ code: 'WAIT_TIMEOUT' })
    faults.onApply = passes
    await world.clock.advance(4_000)
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
    expect(client.events.map(({ type }) => type)).toEqual(['resource.waiting', 'resource.abandoned'])
  })

  test('that ends before the first answer is kept when that comes, in line or not', async () => {
    const world = new World()
    const client = await world.client({ faults: slowAnswers(world, 3_000) })
    const other = await world.client()
    await other.acquire('x', { agentId: 'holder', timeout: '10m' })
    const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: '1s' }))
    await world.clock.advance(10_000)
    expect(waited.error).toMatchObject({ code: 'WAIT_TIMEOUT', holders: [{ agentId: 'holder' }] })
    expect((await world.state('x')).waiting).toEqual([])
  })

  test('is never longer than it says: the store grants nothing after it', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { timeout: '10m' })
    const waited = follow(client.acquire('x', { agentId: 'waiter', waitTimeout: '1s' }))
    await world.clock.advance(500)
    faults.onApply = hang
    await world.clock.advance(600)
    await held.release()
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
    await world.clock.advance(10_000)
    expect(waited.error).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('leaves neither timer nor listener, however the call ends', async () => {
    const world = new World()
    const client = await world.client()
    const { signal } = new AbortController()
    const lock = await client.acquire('x', { signal })
    await expect(client.acquire('x', { waitTimeout: 0, signal })).rejects.toMatchObject({ code: 'BUSY' })
    const timedOut = follow(client.acquire('x', { waitTimeout: '1s', signal }))
    await world.clock.advance(1_000)
    expect(timedOut.state).toBe('rejected')
    await lock.release()
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await world.clock.advance(2_001)
    expect(world.clock.pending).toBe(0)
  })
})

describe('a grant that nobody knows', () => {
  test('is handed back', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    const held = await other.acquire('x', { timeout: '10m' })
    // As a store may fail that does not keep its contract: the step was executed, and nobody can know.
    faults.onApply = async (_batch, apply) => {
      await apply()
      throw new Error('The disk is full.')
    }
    const failed = follow(client.acquire('x', { agentId: 'ghost', timeout: '1h', waitTimeout: 'forever' }))
    await world.clock.advance(0)
    expect(failed.error).toMatchObject({ message: 'The disk is full.' })
    faults.onApply = passes
    expect((await world.state('x')).waiting).toEqual(['ghost'])
    const stays = await client.acquire('y', { timeout: '10m' })
    await held.release()
    await world.clock.advance(2_000)
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
    expect(stays.isHeld).toBe(true)
  })
})

describe('what keeps the process alive', () => {
  test('is a wait, and nothing else', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    const lock = await client.acquire('x', { autoExtend: true })
    expect(world.clock.pending).toBeGreaterThan(0)
    expect(world.clock.keepingAlive).toBe(0)
    for (const waitTimeout of ['1m', 'forever'] as const) {
      const controller = new AbortController()
      const waited = follow(other.acquire('x', { waitTimeout, signal: controller.signal }))
      await world.clock.advance(10_000)
      expect(world.clock.keepingAlive).toBeGreaterThan(0)
      controller.abort()
      await world.clock.advance(0)
      expect(waited.state).toBe('rejected')
      expect(world.clock.keepingAlive).toBe(0)
    }
    await lock.release()
  })
})

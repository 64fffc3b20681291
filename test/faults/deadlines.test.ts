import { describe, expect, test } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import { broken, Faults, hang } from '../support/faulty-store.ts'
import { follow, World } from '../support/simulated-client.ts'

describe("the client's own deadline", () => {
  test('is the lease less a margin of 1 %, from when the request was sent', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s' })
    expect(lock.remainingMs()).toBe(29_700)
    await world.clock.advance(29_699)
    expect(lock.isHeld).toBe(true)
    await world.clock.advance(1)
    expect(lock.isHeld).toBe(false)
    expect(lock.remainingMs()).toBe(0)
  })

  test('has a margin of at least 50 ms', async () => {
    const world = new World()
    const client = await world.client()
    expect((await client.acquire('x', { timeout: '100ms' })).remainingMs()).toBe(50)
    expect((await client.acquire('y', { timeout: '4s' })).remainingMs()).toBe(3_950)
    expect((await client.acquire('z', { timeout: '10s' })).remainingMs()).toBe(9_900)
  })

  test('counts from the sending, not from a slow answer', async () => {
    const world = new World()
    const faults = new Faults()
    faults.onApply = async (_batch, apply) => {
      const answer = await apply()
      await world.clock.sleep(3_000)
      return answer
    }
    const client = await world.client({ faults })
    const acquired = follow(client.acquire('x', { timeout: '30s' }))
    await world.clock.advance(3_000)
    expect(acquired.state).toBe('resolved')
    expect(acquired.value?.remainingMs()).toBe(26_700)
  })

  test('counts from the first sending where a batch was repeated', async () => {
    const world = new World()
    const faults = new Faults()
    let tries = 0
    faults.onApply = async (_batch, apply) => {
      tries += 1
      if (tries === 1) await world.clock.sleep(2_000)
      return tries === 1 ? broken() : apply()
    }
    const client = await world.client({ faults })
    const acquired = follow(client.acquire('x', { timeout: '30s' }))
    await world.clock.advance(2_050)
    expect(acquired.value?.remainingMs()).toBe(27_650)
  })

  test('passes when the wall clock jumps ahead, in every method, before any timer has run', async () => {
    const world = new World()
    const client = await world.client()
    const [a, b, c, d, e, f] = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => client.acquire(name, { timeout: '30s' })),
    )
    world.clock.jumpWall(3_600_000)
    expect(a?.isHeld).toBe(false)
    expect(b?.remainingMs()).toBe(0)
    expect(() => c?.assertHeld()).toThrow(expect.objectContaining({ code: 'LOST' }))
    await expect(d?.extend()).rejects.toMatchObject({ code: 'LOST', loss: { kind: 'expired' } })
    expect(await e?.release()).toBe(false)
    expect(f?.signal.aborted).toBe(true)
  })

  test('is not put off by a wall clock that is set back', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s' })
    world.clock.jumpWall(-3_600_000)
    await world.clock.advance(29_699)
    expect(lock.isHeld).toBe(true)
    await world.clock.advance(1)
    expect(lock.isHeld).toBe(false)
  })

  test('is found passed by a process that stood still', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '10s' })
    world.clock.freeze(20_000)
    expect(() => lock.assertHeld()).toThrow(expect.objectContaining({ code: 'LOST' }))
    expect(lock.signal.reason).toMatchObject({ code: 'LOST', loss: { kind: 'expired' } })
  })

  test("aborts the lock's signal at the deadline, with the loss as its reason", async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '10s' })
    const { signal } = lock
    await world.clock.advance(9_899)
    expect(signal.aborted).toBe(false)
    await world.clock.advance(1)
    expect(signal.aborted).toBe(true)
    expect(isResourceLockError(signal.reason, 'LOST') && signal.reason.loss).toEqual({ kind: 'expired' })
    expect(client.events.map((event) => event.type)).toEqual(['resource.locked', 'resource.expired'])
  })

  test('once passed lets go of what may still stand at the store', async () => {
    const world = new World()
    const client = await world.client()
    await client.acquire('x', { timeout: '10s' })
    await world.clock.advance(9_900)
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
  })
})

describe('a renewal that hangs', () => {
  test('lets the lock be lost as unreachable at the deadline, while it still hangs', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '9s', autoExtend: true })
    const { signal } = lock
    faults.onApply = hang
    await world.clock.advance(8_909)
    expect(signal.aborted).toBe(false)
    await world.clock.advance(1)
    expect(signal.reason).toMatchObject({ code: 'LOST', loss: { kind: 'unreachable' } })
    expect(lock.isHeld).toBe(false)
    expect(client.events.map((event) => event.type)).toEqual(['resource.locked', 'resource.expired'])
  })

  test('is the same for an extension that was asked for', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '9s' })
    faults.onApply = hang
    await world.clock.advance(6_000)
    const extended = follow(lock.extend('1m'))
    await world.clock.advance(2_910)
    expect(lock.signal.reason).toMatchObject({ loss: { kind: 'unreachable' } })
    await world.clock.advance(10_000)
    expect(extended.error).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('never extends anything, even if its answer comes after the deadline', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '9s', autoExtend: true })
    let answer = (): void => {}
    faults.onApply = async (_batch, apply) => {
      const applied = await apply()
      await new Promise<void>((resolve) => (answer = resolve))
      return applied
    }
    await world.clock.advance(8_910)
    expect(lock.isHeld).toBe(false)
    faults.onApply = (_batch, apply) => apply()
    answer()
    await world.clock.advance(1)
    expect(lock.isHeld).toBe(false)
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
  })
})

describe('autoExtend', () => {
  test('renews at a third of the lease with jitter, until it is released, and is not logged', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s', autoExtend: true })
    await world.clock.advance(8_999)
    expect(client.faults.steps).not.toContain('extend')
    await world.clock.advance(2_002)
    expect(client.faults.steps.filter((type) => type === 'extend')).toHaveLength(1)
    expect(lock.remainingMs()).toBeGreaterThan(27_600)
    await world.clock.advance(600_000)
    expect(lock.isHeld).toBe(true)
    expect(lock.expiresAt.getTime()).toBeGreaterThan(world.clock.wallMs() + 15_000)
    expect(await lock.release()).toBe(true)
    const renewals = client.faults.steps.filter((type) => type === 'extend').length
    await world.clock.advance(60_000)
    expect(client.faults.steps.filter((type) => type === 'extend')).toHaveLength(renewals)
    expect(client.events.map((event) => event.type)).toEqual(['resource.locked', 'resource.unlocked'])
    expect(world.clock.pending).toBe(0)
  })

  test('never holds beyond maxHold, counted from the grant, and stops asking then', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s', autoExtend: { maxHold: '1m' } })
    const lockedAt = lock.lockedAt.getTime()
    await world.clock.advance(50_000)
    expect(lock.isHeld).toBe(true)
    expect(lock.expiresAt.getTime()).toBe(lockedAt + 60_000)
    const renewals = client.faults.steps.filter((type) => type === 'extend').length
    await world.clock.advance(8_000)
    expect(lock.isHeld).toBe(true)
    await world.clock.advance(1_990)
    expect(lock.isHeld).toBe(false)
    expect(lock.signal.reason).toMatchObject({ loss: { kind: 'expired' } })
    expect(client.faults.steps.filter((type) => type === 'extend')).toHaveLength(renewals)
  })

  test('gives no more than maxHold where that is shorter than the lease', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s', autoExtend: { maxHold: '10s' } })
    expect(lock.remainingMs()).toBe(9_900)
    await world.clock.advance(9_950)
    expect(lock.isHeld).toBe(false)
  })

  test('goes on after an extension that asks for less than the lease has left', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s', autoExtend: true })
    await world.clock.advance(1_000)
    await lock.extend('1s')
    await world.clock.advance(120_000)
    expect(lock.isHeld).toBe(true)
  })

  test('goes on after the store has taken the session for dead', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '60s', autoExtend: true })
    const gone = world.clock.sleep(8_000)
    faults.onApply = (_batch, apply) => gone.then(apply)
    await world.clock.advance(8_000)
    faults.onApply = (_batch, apply) => apply()
    await world.clock.advance(300_000)
    expect(lock.isHeld).toBe(true)
  })

  test('goes on through an outage that is shorter than the lease', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x', { timeout: '30s', autoExtend: true })
    faults.onApply = broken
    await world.clock.advance(20_000)
    faults.onApply = (_batch, apply) => apply()
    await world.clock.advance(120_000)
    expect(lock.isHeld).toBe(true)
  })
})

describe('extend', () => {
  test('moves the expiry to now + the original timeout', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s' })
    await world.clock.advance(10_000)
    await lock.extend()
    expect(lock.remainingMs()).toBe(29_700)
    expect(lock.expiresAt.getTime()).toBe(world.clock.wallMs() + 30_000)
    expect(client.events.map((event) => event.type)).toEqual(['resource.locked', 'resource.extended'])
  })

  test('never makes the lease shorter', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x', { timeout: '30s' })
    const { expiresAt } = lock
    await lock.extend('1s')
    expect(lock.remainingMs()).toBe(29_700)
    expect(lock.expiresAt).toEqual(expiresAt)
  })

  test('rejects with LOST where the store no longer knows the lease, whether it says why or not', async () => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const lock = await client.acquire('x')
    faults.onApply = async (_batch, apply) => ({ ...(await apply()), messages: [] })
    const other = await world.client()
    await other.inspection.forceUnlock('x', { adminAgentId: 'admin', reason: 'test' })
    await expect(lock.extend()).rejects.toMatchObject({ code: 'LOST' })
    expect(lock.isHeld).toBe(false)
  })
})

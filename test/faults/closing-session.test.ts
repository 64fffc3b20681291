import { describe, expect, test } from 'vitest'
import { Faults, hang } from '../support/faulty-store.ts'
import { follow, World } from '../support/simulated-client.ts'

describe('closing a session', () => {
  test('gives back what is held and leaves every line', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    const lock = await client.acquire('x', { timeout: '10m' })
    await other.acquire('y', { agentId: 'holder', timeout: '10m' })
    const waited = follow(client.acquire('y', { waitTimeout: 'forever' }))
    await world.clock.advance(0)
    await client.session.close()
    expect(waited.error).toMatchObject({ code: 'CLOSED' })
    expect(lock.signal.reason).toMatchObject({ loss: { kind: 'closed' } })
    expect(await lock.release()).toBe(false)
    expect(await world.state('x')).toEqual({ held: [], waiting: [] })
    expect(await world.state('y')).toEqual({ held: ['holder'], waiting: [] })
    expect(client.faults).toMatchObject({ closes: 1, openSubscriptions: 0 })
  })

  test('undoes a grant that is still under way', async () => {
    for (const isHeld of [false, true]) {
      const world = new World()
      const faults = new Faults()
      const client = await world.client({ faults })
      const other = await world.client()
      const held = isHeld ? await other.acquire('x') : undefined
      faults.onApply = async (_batch, apply) => {
        const answer = await apply()
        await world.clock.sleep(500)
        return answer
      }
      const acquired = follow(client.acquire('x', { timeout: '10m', waitTimeout: '10m' }))
      await world.clock.advance(100)
      const closed = follow(client.session.close())
      await held?.release()
      expect((await world.state('x')).held).toEqual(['agent'])
      await world.clock.advance(5_000)
      expect(closed.state).toBe('resolved')
      expect(acquired.error).toMatchObject({ code: 'CLOSED' })
      expect(await world.state('x')).toEqual({ held: [], waiting: [] })
    }
  })

  test('does not call a lock lost whose release is under way', async () => {
    const world = new World()
    const client = await world.client()
    const lock = await client.acquire('x')
    const released = lock.release()
    await client.session.close()
    expect(await released).toBe(true)
    expect(client.events.map(({ type }) => type)).toEqual(['resource.locked', 'resource.unlocked'])
  })

  test.for(['onApply', 'onSubscribe', 'onClose'] as const)('ends soon where the store hangs (%s)', async (where) => {
    const world = new World()
    const faults = new Faults()
    const client = await world.client({ faults })
    const other = await world.client()
    await other.acquire('y', { timeout: '10m' })
    if (where === 'onSubscribe') faults.onSubscribe = hang
    else {
      await client.acquire('x', { timeout: '10m' })
      void client.acquire('y', { waitTimeout: 'forever' }).catch(() => {})
      await world.clock.advance(0)
    }
    if (where === 'onSubscribe') void client.acquire('x').catch(() => {})
    if (where === 'onApply') faults.onApply = hang
    if (where === 'onClose') faults.onClose = hang
    const closed = follow(client.session.close())
    await world.clock.advance(20_000)
    expect(closed.state).toBe('resolved')
    expect(world.clock.keepingAlive).toBe(0)
  })

  test('leaves no timer', async () => {
    const world = new World()
    const client = await world.client()
    const other = await world.client()
    await client.acquire('x', { autoExtend: true })
    await other.acquire('y', { timeout: '1s' })
    void client.acquire('y', { waitTimeout: '1m' }).catch(() => {})
    await world.clock.advance(100)
    await client.session.close()
    await other.session.close()
    expect(world.clock.pending).toBe(0)
  })

  test('says that its locks were unlocked, not that they expired, as the log does', async () => {
    const world = new World()
    const client = await world.client()
    await client.acquire('x')
    const other = await world.client()
    await other.acquire('y', { timeout: '10m' })
    void client.acquire('y', { waitTimeout: '1m' }).catch(() => {})
    await world.clock.advance(0)
    await client.session.close()
    const types = client.events.map(({ type }) => type).toSorted()
    expect(types).toEqual(['resource.abandoned', 'resource.locked', 'resource.unlocked', 'resource.waiting'])
  })
})

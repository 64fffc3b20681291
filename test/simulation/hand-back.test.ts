import { expect, test } from 'vitest'
import { Faults } from '../support/faulty-store.ts'
import { follow, World } from '../support/simulated-client.ts'

test('a grant that nobody waits for any more is handed back without the lock of one who has entered it meanwhile', async () => {
  const world = new World()
  const faults = new Faults()
  const client = await world.client({ faults })
  const other = await world.client()
  const held = await other.acquire('x', { timeout: '10m' })
  const call = client.sequential()
  const controller = new AbortController()
  const first = follow(call('x', { waitTimeout: 'forever', signal: controller.signal }))
  await world.clock.advance(0)
  faults.onPush = () => {}
  faults.onApply = async (_batch, apply) => {
    await world.clock.sleep(50)
    const answer = await apply()
    await world.clock.sleep(50)
    return answer
  }
  // A batch that is executed after the grant, and answered after the next two calls.
  void client.inspection.getOwner('y')
  await world.clock.advance(10)
  await held.release()
  await world.clock.advance(50)
  const second = follow(call('x', { reentrant: true, waitTimeout: 0, timeout: '1m' }))
  await world.clock.advance(10)
  controller.abort(new Error('enough'))
  await world.clock.advance(1_000)
  expect(first.state).toBe('rejected')
  expect(second.value?.isHeld).toBe(true)
  expect((await world.state('x')).held).toEqual(['agent'])
})

import { describe, expect, test } from 'vitest'
import { isResourceLockError } from '../../src/core/errors.ts'
import type { Lock } from '../../src/core/lock/lock.ts'
import type { Message } from '../../src/core/store.ts'
import { broken, Faults, loseAnswer, refused } from '../support/faulty-store.ts'
import { Random } from '../support/random.ts'
import { type Client, World } from '../support/simulated-client.ts'

const RESOURCES = ['file:a', 'file:b', 'file:dir/c', 'file:dir/d'] as const
const CLIENTS = 8
const WORKERS = 3
const ROUNDS = 12

/** What the locks protect: a counter per resource that asks for the fencing token before it reads and writes. */
class GuardedCounter {
  value = 0
  written = 0
  #highest = 0

  /** Reads, and returns what writes the next value. */
  enter(token: number): (() => void) | undefined {
    if (token < this.#highest) return undefined
    this.#highest = token
    const read = this.value
    return () => {
      if (token < this.#highest) return
      this.value = read + 1
      this.written += 1
    }
  }
}

/** Everything between a session and its store that can go wrong, at random. */
function unreliable(world: World, random: Random, isOn: () => boolean): Faults {
  const faults = new Faults()
  faults.onApply = async (_batch, apply) => {
    if (!isOn()) return apply()
    if (random.chance(0.4)) await world.clock.sleep(random.below(60))
    if (random.chance(0.01)) await world.clock.sleep(random.below(9_000))
    const fate = random.next()
    if (fate < 0.05) return loseAnswer(apply)
    if (fate < 0.1) return broken()
    if (fate < 0.14) return refused()
    const answer = await apply()
    if (random.chance(0.4)) await world.clock.sleep(random.below(60))
    return answer
  }
  faults.onPush = (messages, deliver) => {
    if (!isOn()) return deliver(messages)
    const late = (delivered: readonly Message[], ms: number): void =>
      void world.clock.after(ms, () => deliver(delivered))
    const fate = random.next()
    if (fate < 0.15) return
    if (fate < 0.35) late(messages, random.below(3_000))
    else deliver(messages)
    if (random.chance(0.1)) late(messages.toReversed(), random.below(20_000))
  }
  return faults
}

/** All locks that their holders believe in. */
class Beliefs {
  readonly #locks = new Set<Lock>()

  add(lock: Lock): void {
    this.#locks.add(lock)
  }

  /** Two locks that are both held although one of them is exclusive. */
  get conflicts(): string[] {
    const held = [...this.#locks].filter((lock) => lock.isHeld)
    for (const lock of this.#locks) if (!lock.isHeld) this.#locks.delete(lock)
    return held.flatMap((one, index) =>
      held.slice(index + 1).flatMap((other) => {
        const both = one.resources.filter(({ resourceId }) =>
          other.resources.some((claim) => claim.resourceId === resourceId),
        )
        return both.length > 0 && (one.mode === 'exclusive' || other.mode === 'exclusive')
          ? [`${one.agentId} and ${other.agentId} both hold ${both[0]?.resourceId}`]
          : []
      }),
    )
  }
}

async function work(
  world: World,
  client: Client,
  agentId: string,
  random: Random,
  counters: ReadonlyMap<string, GuardedCounter>,
  beliefs: Beliefs,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = RESOURCES.filter(() => random.chance(0.4))
    if (names.length === 0) names.push(random.pick(RESOURCES))
    const mode = random.chance(0.3) ? 'shared' : 'exclusive'
    const controller = new AbortController()
    if (random.chance(0.2)) void world.clock.after(random.below(4_000), () => controller.abort('enough'))
    const isForgotten = random.chance(0.05)
    try {
      const lock = await client.acquire(names, {
        agentId,
        mode,
        timeout: random.pick(['200ms', '1s', '5s', '30s']),
        waitTimeout: random.pick([0, '100ms', '2s', '20s', 'forever']),
        autoExtend: random.chance(0.3) && ((!isForgotten && random.chance(0.5)) || { maxHold: '2s' }),
        signal: controller.signal,
      })
      beliefs.add(lock)
      const writes = mode === 'shared' ? [] : names.map((name) => counters.get(name)?.enter(lock.fencingToken))
      await world.clock.sleep(random.below(400))
      if (random.chance(0.2)) await lock.extend(random.pick(['100ms', '1s', '10s'])).catch(ignoreExpected)
      if (random.chance(0.03)) await world.clock.sleep(3_000)
      for (const write of writes) write?.()
      if (!isForgotten) await lock.release().catch(ignoreExpected)
      else if (random.chance(0.5)) await world.clock.sleep(1_000)
    } catch (error) {
      if (error !== 'enough') ignoreExpected(error)
      await world.clock.sleep(random.below(200))
    }
  }
}

function ignoreExpected(error: unknown): void {
  if (isResourceLockError(error) && ['BUSY', 'WAIT_TIMEOUT', 'LOST', 'UNAVAILABLE', 'NOT_HELD'].includes(error.code))
    return
  throw error
}

async function expectNoHarm(seed: number, losesData: boolean): Promise<void> {
  const world = new World()
  const random = new Random(seed)
  let isOn = true
  const counters = new Map(RESOURCES.map((name) => [name as string, new GuardedCounter()]))
  const beliefs = new Beliefs()
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => world.client({ faults: unreliable(world, random, () => isOn) })),
  )
  const left = new Set(Array.from({ length: CLIENTS * WORKERS }, (_, n) => n))
  const workers = clients.flatMap((client, c) =>
    Array.from({ length: WORKERS }, async (_, w) => {
      await work(world, client, `agent-${c}-${w}`, random, counters, beliefs)
      left.delete(c * WORKERS + w)
    }),
  )
  const worked = Promise.all(workers)
  worked.catch(() => left.clear())
  for (let passed = 0; left.size > 0; passed += 50) {
    if (passed > 3_600_000) throw new Error(`seed ${seed}: ${left.size} workers never came to an end`)
    if (losesData && random.chance(0.002)) world.loseData()
    await world.clock.advance(50)
    // Where the store lost its data two may hold for a while; the token orders them.
    if (!losesData) expect(beliefs.conflicts, `seed ${seed}`).toEqual([])
  }
  await worked
  isOn = false
  await world.clock.advance(120_000)
  for (const name of RESOURCES) {
    expect(await world.state(name), `seed ${seed}: ${name}`).toEqual({ held: [], waiting: [] })
    expect(counters.get(name)?.value).toBe(counters.get(name)?.written)
  }
  expect([...counters.values()].reduce((sum, { written }) => sum + written, 0)).toBeGreaterThan(50)
  for (const { events } of clients) {
    const ends = new Map<number, number>()
    for (const event of events) {
      const { type, fencingToken = 0 } = event
      if (type === 'resource.locked') ends.set(fencingToken, (ends.get(fencingToken) ?? 0) + 1)
      if (type === 'resource.unlocked' || type === 'resource.expired')
        ends.set(fencingToken, (ends.get(fencingToken) ?? 0) - 1)
    }
    // Each lock that was granted has ended, once.
    expect(
      [...ends.values()].filter((open) => open !== 0),
      `seed ${seed}`,
    ).toEqual([])
  }
  await Promise.all(clients.map(({ session }) => session.close()))
  expect(world.clock.pending, `seed ${seed}: timers`).toBe(0)
}

describe('many clients over unreliable connections', () => {
  test.for([1, 2, 3, 4, 5, 6])(
    'never hold together what conflicts, and leave nothing behind (seed %i)',
    async (seed) => {
      await expectNoHarm(seed, false)
    },
  )

  test.for([11, 12, 13])('lose no guarded write, even if the store loses its data (seed %i)', async (seed) => {
    await expectNoHarm(seed, true)
  })
})

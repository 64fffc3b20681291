import { Mutex } from 'async-mutex'
import { EventBus, memoryStore, ResourceLockManager } from 'holdfast'
import { Registry } from 'prom-client'
import { countPairs, type Pair, pairsPerSecond, timesTheFloor, type Work } from '../loops.ts'
import type { Progress } from '../progress.ts'
import type { Section } from '../report.ts'
import { inRounds } from '../rounds.ts'

const SHAPES = {
  'one caller': { callers: 1, hot: false },
  '64 callers, a resource each': { callers: 64, hot: false },
  '64 callers, one resource': { callers: 64, hot: true },
}

/** Acquire and release within one process, next to a plain mutex. */
export async function benchMemory(quick: boolean, progress: Progress): Promise<Section> {
  const full = fullManager()
  const bare = bareManager()
  const pairs = { floor: mutexes(), full: pairOf(full), bare: pairOf(bare) }
  const [rounds, ms] = quick ? [2, 60] : [9, 150]
  const rows: (string | number)[][] = []
  for (const [name, shape] of Object.entries(SHAPES)) {
    progress(name)
    const measure = (pair: Pair) => (): Promise<Work> => countPairs(pair, { ...shape, ms })
    const found = await inRounds(
      { floor: measure(pairs.floor), full: measure(pairs.full), bare: measure(pairs.bare) },
      rounds,
    )
    const [floor, perSecond, bareOnes] = [found.floor, found.full, found.bare].map((works) =>
      pairsPerSecond(works, { ms }),
    )
    const { time, cpu } = timesTheFloor(found.full, found.floor)
    rows.push([name, floor ?? NaN, perSecond ?? NaN, time, cpu, bareOnes ?? NaN])
  }
  await Promise.all([full.close(), bare.close()])
  const columns = [
    'callers',
    'async-mutex, pairs/s',
    'holdfast, pairs/s',
    "times the floor's time",
    "times the floor's CPU",
    'without metrics and events, pairs/s',
  ]
  return { id: 'memory', tables: [{ title: 'Acquire and release in memory', columns, rows }], aims: [] }
}

/** As most will use it: metrics, the event log, and somebody who listens to every event. */
function fullManager(): ResourceLockManager {
  const eventBus = new EventBus()
  let heard = 0
  eventBus.subscribe('*', () => {
    heard += 1
  })
  return new ResourceLockManager({ store: memoryStore(), eventBus, registry: new Registry() })
}

function bareManager(): ResourceLockManager {
  return new ResourceLockManager({
    store: memoryStore({ limits: { events: 0, previous: 0 } }),
    eventBus: new EventBus(),
    metrics: false,
  })
}

function pairOf(locks: ResourceLockManager): Pair {
  return async (resource) => {
    const lock = await locks.acquire(resource, { agentId: 'bench' })
    await lock.release()
  }
}

function mutexes(): Pair {
  const known = new Map<string, Mutex>()
  return async (resource) => {
    let mutex = known.get(resource)
    if (mutex === undefined) known.set(resource, (mutex = new Mutex()))
    const release = await mutex.acquire()
    release()
  }
}

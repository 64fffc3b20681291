/** What happens to workers. */
import type { Worker } from './crew.ts'
import { comesTrue, type Fault, type Scene } from './fault.ts'
import { RESOURCES } from './protocol.ts'

/** How long is waited for a worker to come into the right situation. */
const LOOK_MS = 3_000

/** The longest that a worker is stopped: one that stands still inside a step may be in everybody's way. */
const PAUSE_MS = 4_000

const CONTESTED = [RESOURCES.guarded, RESOURCES.careless, RESOURCES.set] as const

const BASE = { losesData: false, isOutage: false } as const

export const processFaults: readonly Fault[] = [
  { ...BASE, kind: 'kill', name: 'kill the holder', strike: killHolder },
  { ...BASE, kind: 'kill', name: 'kill the head of the line', strike: (scene) => killWaiter(scene, 0) },
  { ...BASE, kind: 'kill', name: 'kill a waiter in the middle', strike: (scene) => killWaiter(scene, 1) },
  { ...BASE, kind: 'pause', name: 'stop a guarded holder past its lease', strike: (scene) => pause(scene, 'guarded') },
  {
    ...BASE,
    kind: 'pause',
    name: 'stop a careless holder past its lease',
    strike: (scene) => pause(scene, 'careless'),
  },
  { ...BASE, kind: 'pause', name: 'stop a waiter', strike: pauseWaiter },
]

/** Kills whoever reads first under a lock: it certainly holds. */
async function killHolder(scene: Scene): Promise<string | null> {
  const victim = await frozenReader(scene, 'guarded')
  if (victim === undefined) return null
  await victim.kill()
  scene.crew.fill()
  return `${victim.assignment.name} was killed between its read and its write`
}

async function killWaiter(scene: Scene, place: number): Promise<string | null> {
  const { crew } = scene
  const resource = await contested(scene, place + 2)
  const victim = resource === undefined ? undefined : crew.lineFor(resource)[place]
  if (victim === undefined) return null
  await victim.kill()
  crew.fill()
  return `${victim.assignment.name} was killed in place ${place + 1} of the line for ${resource}`
}

/**
 * Stops a worker between its read and its write until another has written, and lets it go on: without the guard its
 * late write wipes out the other's.
 */
async function pause(scene: Scene, data: 'guarded' | 'careless'): Promise<string | null> {
  const victim = await frozenReader(scene, data)
  if (victim === undefined) return null
  const register = scene.data[data]
  const before = register.writes
  const from = performance.now()
  const hasWritten = await comesTrue(() => register.writes > before, PAUSE_MS, scene.signal)
  const pausedMs = Math.round(performance.now() - from)
  victim.answerHeld()
  if (!hasWritten) return null
  return `${victim.assignment.name} stood still for ${pausedMs} ms between its read and its write, and another wrote`
}

async function pauseWaiter(scene: Scene): Promise<string | null> {
  const { crew, signal, leaseMs } = scene
  const resource = await contested(scene, 1)
  const [victim] = resource === undefined ? [] : crew.lineFor(resource)
  if (victim === undefined) return null
  victim.freeze()
  const from = performance.now()
  await comesTrue(() => performance.now() - from > 2 * leaseMs, PAUSE_MS, signal)
  victim.thaw()
  return `${victim.assignment.name} stood still for ${Math.round(performance.now() - from)} ms in the line for ${resource}`
}

/** A resource that so many stand in line for, if there comes to be one. */
async function contested({ crew, random, signal }: Scene, waiters: number): Promise<string | undefined> {
  const found = (): readonly string[] => CONTESTED.filter((resource) => crew.lineFor(resource).length >= waiters)
  await comesTrue(() => found().length > 0, LOOK_MS, signal)
  return found().length === 0 ? undefined : random.pick(found())
}

/** Whoever of all is the first to read; it stands still, with its lock. */
async function frozenReader({ crew, signal }: Scene, data: string): Promise<Worker | undefined> {
  let frozen: Worker | undefined
  for (const worker of crew.alive) {
    worker.trapRead(data, () => {
      if (frozen !== undefined) return false
      frozen = worker
      return true
    })
  }
  await comesTrue(() => frozen !== undefined, LOOK_MS, signal)
  for (const worker of crew.alive) worker.clearTrap()
  return frozen
}

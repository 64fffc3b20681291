import type { Random } from '../support/random.ts'
import type { Crew } from './crew.ts'
import type { Data } from './data.ts'

/** Kinds of faults, as they are chosen on the command line. */
export const FAULT_KINDS = [
  'kill',
  'pause',
  'restart',
  'crash',
  'flush',
  'scripts',
  'disconnect',
  'pushes',
  'stall',
  'cut',
  'partition',
  'failover',
  'busy',
  'torn',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** What a fault strikes. */
export interface Scene {
  readonly crew: Crew
  readonly data: Data
  readonly random: Random
  readonly leaseMs: number
  /** Ends a fault early; it then heals what it has broken. */
  readonly signal: AbortSignal
}

/** One way in which things go wrong. */
export interface Fault {
  readonly kind: FaultKind
  readonly name: string
  /** Whether the store may forget what it has granted: its leases of that time are judged by their tokens only. */
  readonly losesData: boolean
  /** Whether the store could not be reached meanwhile, so that places in line may be lost. */
  readonly isOutage: boolean
  /** Strikes, and heals. Resolves with what it has done, in words; null if there was nobody to strike. */
  strike(scene: Scene): Promise<string | null>
}

/** A fault that has happened. */
export interface Injection extends Pick<Fault, 'kind' | 'name' | 'losesData' | 'isOutage'> {
  readonly what: string
  readonly from: number
  readonly to: number
  /** Until the next lock was granted after it. */
  readonly recoveredMs: number
}

/** Waits, but no longer than until the signal aborts. */
export function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}

/** Looks again and again until it is so; false if it is not in time, or the signal aborts. */
export async function comesTrue(look: () => boolean, deadlineMs: number, signal: AbortSignal): Promise<boolean> {
  const end = performance.now() + deadlineMs
  while (!look()) {
    if (performance.now() > end || signal.aborted) return false
    await rest(5, signal)
  }
  return true
}

import { setImmediate as turnOfEventLoop } from 'node:timers/promises'
import { StallWatch } from './stall.ts'
import { lockPair, type Subject } from './subject.ts'

export interface HammerInput {
  /** `spin`: no locks at all, only work in pieces of 0.1 ms: what the stalls of the machine itself are. */
  readonly what: 'hot' | 'apart' | 'floor' | 'spin'
  readonly ms: number
}

export interface Hammered {
  readonly count: number
  readonly longestStallMs: number
}

/** One caller that takes and releases as fast as it can. */
export async function hammer(subject: Subject, { what, ms }: HammerInput): Promise<Hammered> {
  const once = ONCE[what](subject)
  const stall = new StallWatch()
  const end = performance.now() + ms
  let count = 0
  while (performance.now() < end) {
    await once()
    count += 1
  }
  return { count, longestStallMs: stall.stop() }
}

const ONCE: Readonly<Record<HammerInput['what'], (subject: Subject) => () => Promise<void>>> = {
  hot:
    ({ locks }) =>
    () =>
      lockPair(locks, 'bench:hot'),
  apart:
    ({ locks, name }) =>
    () =>
      lockPair(locks, `bench:${name}`),
  floor:
    ({ floor, name }) =>
    async () => {
      floor.pair(name)
      await turnOfEventLoop()
    },
  spin: () => async () => {
    for (const end = performance.now() + 0.1; performance.now() < end;);
    await turnOfEventLoop()
  },
}

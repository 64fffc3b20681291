import { median, medianRatio, sum } from './statistics.ts'

/** Takes a resource and lets go of it again. */
export type Pair = (resource: string) => Promise<unknown>

export interface Loops {
  /** How many callers, each of which does one pair after the other. */
  readonly callers: number
  /** Whether all want the same resource. */
  readonly hot: boolean
  readonly ms: number
}

/** What was done in the time, and what it took. */
export interface Work {
  readonly pairs: number
  /** Of all threads of the process: hardly depends on what else the machine does. */
  readonly cpuMs: number
}

export async function countPairs(pair: Pair, { callers, hot, ms }: Loops, name: string = 'loop'): Promise<Work> {
  const before = process.cpuUsage()
  const end = performance.now() + ms
  let count = 0
  const loop = async (caller: number): Promise<void> => {
    const resource = hot ? 'bench:hot' : `bench:${name}/${caller}`
    for (;;) {
      await pair(resource)
      if (performance.now() >= end) return
      count += 1
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => loop(caller)))
  const { user, system } = process.cpuUsage(before)
  return { pairs: count, cpuMs: (user + system) / 1000 }
}

/** The work of several processes. */
export function together(works: readonly Work[]): Work {
  return { pairs: sum(works.map(({ pairs }) => pairs)), cpuMs: sum(works.map(({ cpuMs }) => cpuMs)) }
}

export function pairsPerSecond(works: readonly Work[], { ms }: Pick<Loops, 'ms'>): number {
  return (median(works.map(({ pairs }) => pairs)) / ms) * 1000
}

/** How much longer a pair takes than one of the floor, and how much more CPU time. */
export function timesTheFloor(works: readonly Work[], floors: readonly Work[]): { time: number; cpu: number } {
  const pairs = (all: readonly Work[]): number[] => all.map((work) => work.pairs)
  const cpu = (all: readonly Work[]): number[] => all.map((work) => work.cpuMs / Math.max(1, work.pairs))
  return { time: medianRatio(pairs(floors), pairs(works)), cpu: medianRatio(cpu(works), cpu(floors)) }
}

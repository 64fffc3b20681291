import { countPairs, type Loops, type Work } from '../loops.ts'
import { hammer, type Hammered, type HammerInput } from './hammer.ts'
import { handOver, type HandOver, type HandOverInput } from './handover-loop.ts'
import { cpuOf, type IdleInput } from './idle-loop.ts'
import { lockPair, openSubject, type Subject } from './subject.ts'
import { wakeEachOther, type WakeInput } from './wake-loop.ts'

/** What a worker process can be asked to do, and what it answers. */
export interface Tasks {
  open(input: { readonly folder: string; readonly name: string }): Promise<void>
  floorPairs(input: Loops): Promise<Work>
  pairs(input: Loops): Promise<Work>
  hammer(input: HammerInput): Promise<Hammered>
  handOver(input: HandOverInput): Promise<HandOver[]>
  wake(input: WakeInput): Promise<number[]>
  idle(input: IdleInput): Promise<number>
  close(input: object): Promise<void>
}

let subject: Subject | undefined

export const tasks: Tasks = {
  async open({ folder, name }) {
    subject = await openSubject(folder, name)
  },
  async floorPairs(loops) {
    const { floor, name } = opened()
    return countPairs(async (resource) => floor.pair(resource), loops, name)
  },
  async pairs(loops) {
    const { locks, name } = opened()
    return countPairs((resource) => lockPair(locks, resource), loops, name)
  },
  hammer: (input) => hammer(opened(), input),
  handOver: (input) => handOver(opened().locks, input),
  wake: (input) => wakeEachOther(input),
  idle: (input) => cpuOf(opened().locks, input),
  async close() {
    await subject?.locks.close()
    subject?.floor.close()
    subject = undefined
  },
}

function opened(): Subject {
  if (subject === undefined) throw new Error('the worker was not told what to open')
  return subject
}

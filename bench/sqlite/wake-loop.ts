import { existsSync, statSync, utimesSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sharedMs } from './handover-loop.ts'

export interface WakeInput {
  readonly folder: string
  readonly own: string
  readonly other: string
  /** Whether this one touches first. */
  readonly first: boolean
  readonly count: number
  readonly holdMs: number
}

/**
 * The floor of handing over: two processes that touch each other's file in turn, and nothing else.
 *
 * @returns at what times this one touched and was woken, in turn
 */
export async function wakeEachOther({ folder, own, other, first, count, holdMs }: WakeInput): Promise<number[]> {
  const touches = watchTouches(join(folder, own))
  // Both must be watching before the first touch.
  while (!existsSync(join(folder, `${other}-watched`))) await sleep(5)
  const times: number[] = []
  for (let turn = 0; turn < count; turn += 1) {
    if (!first || turn > 0) {
      await touches.next()
      times.push(sharedMs())
      await sleep(holdMs)
    }
    times.push(sharedMs())
    const seconds = (performance.timeOrigin + performance.now()) / 1000
    utimesSync(join(folder, other), seconds, seconds)
  }
  touches.close()
  return times
}

/** A file is said to have changed more often than it is touched: its time tells. */
function watchTouches(path: string): { next(): Promise<void>; close(): void } {
  writeFileSync(path, '')
  let seen = statSync(path).mtimeMs
  let wake = (): void => {}
  const watcher = watch(path, () => wake())
  writeFileSync(`${path}-watched`, '')
  const next = async (): Promise<void> => {
    while (statSync(path).mtimeMs === seen) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    seen = statSync(path).mtimeMs
  }
  return { next, close: () => watcher.close() }
}

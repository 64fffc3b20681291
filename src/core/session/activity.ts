import { AsyncLocalStorage } from 'node:async_hooks'
import { randomId } from '../random-id.ts'

/** One sequential activity: it waits for one thing at a time, and what it holds meanwhile is certain. */
export interface Activity {
  readonly chain: string
}

const current = new AsyncLocalStorage<Activity | undefined>()

export function newActivity(): Activity {
  return { chain: randomId() }
}

/** The activity that this code belongs to by its async context. */
export function currentActivity(): Activity | undefined {
  return current.getStore()
}

/** Runs `fn`, and all that it starts, as part of an activity. */
export function within<T>(activity: Activity, fn: () => T): T {
  return current.run(activity, fn)
}

/** Runs `fn`, and all that it starts, outside of any activity. */
export function detached<T>(fn: () => T): T {
  return current.run(undefined, fn)
}

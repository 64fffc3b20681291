import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 10

/**
 * Looks again and again until it is true, or until the time is over: then the last look's error, or that it was not
 * true, is thrown.
 */
export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  deadlineMs: number = 10_000,
): Promise<void> {
  const end = performance.now() + deadlineMs
  let cause: unknown
  while (performance.now() < end) {
    try {
      if (await look()) return
      cause = undefined
    } catch (error) {
      cause = error
    }
    await sleep(PAUSE_MS)
  }
  throw new Error(`Not so within ${deadlineMs} ms: ${what}.`, { cause })
}

import { LONGEST_TIMER_MS } from './clock.ts'

/**
 * Waits. It leaves neither a timer nor a listener behind, however it ends.
 *
 * @param ms may be `Infinity`, to wait for the signal only
 * @throws the signal's own reason as soon as it aborts
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error)
    let timer: NodeJS.Timeout
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const wait = (leftMs: number): void => {
      const turnMs = Math.min(leftMs, LONGEST_TIMER_MS)
      timer = setTimeout(() => {
        if (leftMs > turnMs) return wait(leftMs - turnMs)
        signal?.removeEventListener('abort', abort)
        resolve()
      }, turnMs)
    }
    signal?.addEventListener('abort', abort, { once: true })
    wait(ms)
  })
}

import type { Clock, Timer } from './clock.ts'

/** What {@link patiently} resolves with when the time is up. */
export const OUT_OF_TIME: unique symbol = Symbol('out of time')

export interface Patience {
  readonly clock: Clock
  /** Default: for ever. */
  readonly ms?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for work that may never end, as long as its patience lasts, and keeps the process alive meanwhile. The work
 * itself goes on.
 *
 * @throws the signal's own reason as soon as it aborts
 */
export function patiently<T>(work: Promise<T>, patience: Patience & { readonly ms?: never }): Promise<T>
export function patiently<T>(work: Promise<T>, patience: Patience): Promise<T | typeof OUT_OF_TIME>
export async function patiently<T>(work: Promise<T>, patience: Patience): Promise<T | typeof OUT_OF_TIME> {
  const { clock, ms = Infinity, signal } = patience
  if (signal?.aborted === true) {
    // Nobody waits for it any more; if it fails later, that must not end the process.
    work.catch(() => undefined)
    throw signal.reason
  }
  let timer: Timer | undefined
  let onAbort = (): void => {}
  const end = new Promise<typeof OUT_OF_TIME>((resolve, reject) => {
    if (ms < Infinity) timer = clock.after(ms, () => resolve(OUT_OF_TIME))
    timer?.keepAlive(true)
    onAbort = () => reject(signal?.reason as Error)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, end])
  } finally {
    timer?.cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}

import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs work that may wait; a signal stops it, and then the exit code says so (130 for Ctrl-C), without a message:
 * whoever sent it knows. A second signal ends the process at once.
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController()
  let received: (typeof SIGNALS)[number] | undefined
  const listeners = SIGNALS.map((name) => {
    const listener = (): void => {
      received = name
      controller.abort(new Error(`interrupted by ${name}`))
    }
    process.once(name, listener)
    return { name, listener }
  })
  const code = (): number => 128 + constants.signals[received ?? 'SIGINT']
  try {
    const done = await work(controller.signal)
    return received === undefined ? done : code()
  } catch (error) {
    if (received !== undefined) return code()
    throw error
  } finally {
    for (const { name, listener } of listeners) process.off(name, listener)
  }
}

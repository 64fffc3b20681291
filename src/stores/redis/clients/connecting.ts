/** A connection of its own, not made yet. */
interface Unconnected {
  on(event: 'error', listener: (error: unknown) => void): unknown
  connect(): Promise<unknown>
}

/**
 * Connects, once.
 *
 * @param end gives the connection up; also what the signal does to the attempt
 * @throws what went wrong first, which says more than that the attempt failed
 */
export async function connectOnce(own: Unconnected, end: () => void, signal: AbortSignal): Promise<void> {
  let failure: unknown
  own.on('error', (error) => {
    failure ??= error
  })
  signal.addEventListener('abort', end, { once: true })
  try {
    signal.throwIfAborted()
    await own.connect()
  } catch (error) {
    end()
    throw failure ?? error
  } finally {
    signal.removeEventListener('abort', end)
  }
}

import { systemClock } from '../../../core/time/clock.ts'
import { OUT_OF_TIME, patiently } from '../../../core/time/patience.ts'
import { failure, noAnswer, noConnection, type Progress } from '../failures.ts'

/**
 * Waits for what a client library does, but not for ever.
 *
 * @param server its name, for the message
 * @throws the errors of {@link PostgresLink}
 */
export async function inTime<T>(work: PromiseLike<T>, ms: number, server: string, progress: Progress): Promise<T> {
  let result: T | typeof OUT_OF_TIME
  try {
    result = await patiently(Promise.resolve(work), { clock: systemClock, ms })
  } catch (error) {
    throw failure(error, server, progress)
  }
  if (result === OUT_OF_TIME) throw progress === 'unsent' ? noConnection(server, ms) : noAnswer(server, ms)
  return result
}

import { isResourceLockError } from '../../src/core/errors.ts'
import type { Client } from './client.ts'
import type { Verdict } from './verdict.ts'

/** Follows the log of all, and checks that nothing of it is missed without notice. */
export async function watchLog(client: Client, verdict: Verdict, mayGoBack: boolean): Promise<void> {
  let since: string | undefined
  while (!client.isClosing && client.process.isAlive) {
    try {
      for await (const event of client.locks.watch(since === undefined ? {} : { since })) {
        const cursor = event.cursor ?? ''
        if (event.type !== 'gap' && since !== undefined && !mayGoBack && !isNext(since, cursor)) {
          verdict.fail('watch', `${client.name} saw ${cursor} after ${since}`)
        }
        since = cursor
      }
      return
    } catch (error) {
      if (isResourceLockError(error, 'CLOSED')) return
      if (!isResourceLockError(error, 'UNAVAILABLE')) verdict.fail('code', `watch: ${String(error)}`)
      await client.process.sleep(500)
    }
  }
}

function isNext(before: string, after: string): boolean {
  const [epoch, number] = before.split('.')
  return after === `${epoch}.${Number(number) + 1}`
}

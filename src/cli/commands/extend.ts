import { dateOf } from '../../core/info.ts'
import { LEASE_LIMITS } from '../../core/lock/request.ts'
import { leftText, timeText } from '../../core/time/date-text.ts'
import { parseDuration } from '../../core/time/duration.ts'
import { EXIT } from '../exit-codes.ts'
import { Failure } from '../failure.ts'
import { handleText } from '../handle.ts'
import { forget, keep, keptHandleOf } from '../kept-handles.ts'
import type { ExtendFlags } from '../options.ts'
import { print, printJson } from '../output.ts'
import { withOwned } from '../owned.ts'
import type { Settings } from '../settings.ts'

export async function extend(settings: Settings, target: string, flags: ExtendFlags): Promise<number> {
  const given = flags.timeout === undefined ? undefined : parseDuration(flags.timeout, '--timeout', LEASE_LIMITS)
  return withOwned(settings, target, async ({ connection, handle, written }) => {
    const { id, token, fencingToken } = handle
    const ttlMs = given ?? handle.ttlMs
    const { outcome, answer } = await connection.run({
      type: 'extend',
      id,
      token,
      fence: null,
      ttlMs,
      automatic: false,
    })
    if (outcome.type === 'gone') {
      forget(written)
      throw new Failure(
        `The lock on ${handleText(handle)} is no longer held: it ran out, was ended by force, or was released. Others ` +
          'may have changed what it protected. Check that, then acquire it again.',
        EXIT.lost,
      )
    }
    const expiresAt = dateOf(outcome.expiresAt, answer)
    const kept = keptHandleOf(written)
    if (kept !== undefined) keep({ ...kept, expiresAt: expiresAt.getTime() })
    if (flags.json === true) printJson({ resource: handle.resource, fencingToken, expiresAt })
    else print(`Extended ${handleText(handle)}: it ends at ${timeText(expiresAt)} (${leftText(expiresAt)}).`)
    return EXIT.ok
  })
}

import { formatDuration } from '../../core/time/duration.ts'
import { EXIT } from '../exit-codes.ts'
import { Failure } from '../failure.ts'
import { handleText } from '../handle.ts'
import { forget } from '../kept-handles.ts'
import type { JsonFlag } from '../options.ts'
import { print, printJson } from '../output.ts'
import { withOwned } from '../owned.ts'
import type { Settings } from '../settings.ts'

export async function release(settings: Settings, target: string, flags: JsonFlag): Promise<number> {
  return withOwned(settings, target, async ({ connection, handle, written }) => {
    const { id, token, fencingToken } = handle
    const { outcome } = await connection.run({ type: 'release', id, token, expired: false })
    forget(written)
    const { released, heldMs } = outcome
    if (flags.json === true) printJson({ resource: handle.resource, fencingToken, released, heldMs })
    if (!released) {
      throw new Failure(
        `The lock on ${handleText(handle)} was not held any more: it had run out, was ended by force, or was released ` +
          'before. Others may have changed what it protected.',
        EXIT.lost,
      )
    }
    if (flags.json !== true) print(`Released ${handleText(handle)} after ${formatDuration(heldMs)}.`)
    return EXIT.ok
  })
}

import type { GapEvent, LockEvent } from '../../core/model.ts'
import { claimText } from '../../core/resource/resource.ts'
import { show } from '../../core/show.ts'
import { timeText } from '../../core/time/date-text.ts'
import { formatDuration } from '../../core/time/duration.ts'
import { connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { interruptible } from '../interruption.ts'
import type { WatchFlags } from '../options.ts'
import { paint, plain, print } from '../output.ts'
import type { Settings } from '../settings.ts'

/** Of one log, or of the logs of several shards. */
const CURSOR = /^[0-9a-f]{32}\.\d{1,16}(?:-\d{1,16})*$/

export async function watch(settings: Settings, flags: WatchFlags): Promise<number> {
  if (flags.since !== undefined && !CURSOR.test(flags.since)) {
    throw new UsageError(`--since: ${show(flags.since)} is no cursor: take that of an event, from watch --json.`)
  }
  await interruptible(async (signal) => {
    await connected(
      settings,
      async ({ inspection }) => {
        const since = flags.since === undefined ? {} : { since: flags.since }
        for await (const event of inspection.watch({ ...since, signal })) {
          print(flags.json === true ? JSON.stringify(event) : line(event))
        }
      },
      signal,
    )
    return EXIT.ok
  })
  // To interrupt it is the way to end it.
  return EXIT.ok
}

const GAP =
  'Some events are missing here: the log no longer has them, or --since is a cursor of another log. It goes on with the oldest that there is.'

function line(event: LockEvent | GapEvent): string {
  if (event.type === 'gap') return paint('yellow', GAP)
  const { type, at, agentId, resources, reason, heldMs, waitedMs, forced } = event
  const what = type.replace('resource.', '')
  const details = [
    ...(heldMs === undefined ? [] : [`held ${formatDuration(heldMs)}`]),
    ...(waitedMs === undefined || waitedMs === 0 ? [] : [`waited ${formatDuration(waitedMs)}`]),
    ...(forced === undefined ? [] : [`forced by ${forced.by}: '${forced.reason}'`]),
    ...(reason === undefined || reason === '' ? [] : [`'${reason}'`]),
  ].join(', ')
  const who = plain(`${agentId}  ${resources.map(claimText).join(', ')}${details === '' ? '' : `  (${details})`}`)
  return `${paint('dim', timeText(at))}  ${paint('cyan', what.padEnd('abandoned'.length))}  ${who}`
}

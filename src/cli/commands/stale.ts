import { claimText } from '../../core/resource/resource.ts'
import { agoText, leftText } from '../../core/time/date-text.ts'
import { parseDuration } from '../../core/time/duration.ts'
import { connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import type { StaleFlags } from '../options.ts'
import { printJson, printTable } from '../output.ts'
import type { Settings } from '../settings.ts'

export async function stale(settings: Settings, flags: StaleFlags): Promise<number> {
  const ms = parseDuration(flags.maxAge, '--max-age', { minMs: 1, maxMs: Infinity })
  return connected(settings, async ({ inspection }) => {
    const found = await inspection.findStaleLocks({ maxAge: `${ms}ms` })
    if (flags.json === true) printJson(found)
    else if (found.length === 0) process.stderr.write(`Nothing has been held for ${flags.maxAge}.\n`)
    else {
      printTable(
        ['RESOURCE', 'HOLDER', 'SINCE', 'ENDS', 'REASON'],
        found.map((info) => [
          claimText(info),
          info.agentId,
          agoText(info.lockedAt),
          leftText(info.expiresAt),
          info.reason ?? '',
        ]),
      )
    }
    return found.length === 0 ? EXIT.ok : EXIT.other
  })
}

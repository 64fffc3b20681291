import { eventOf } from '../core/info.ts'
import { claimText } from '../core/resource/resource.ts'
import { agoText } from '../core/time/date-text.ts'
import type { Connection } from './connection.ts'

/** A cursor of no log: reading starts with the oldest event that is remembered. */
const BEFORE_ALL = `${'0'.repeat(32)}.0`

const PAGE = 256

/** What each agent was seen to do last, in words, as far as the event log remembers it. */
export async function lastActivityOf(
  connection: Connection,
  agents: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const last = new Map<string, string>()
  for (let since = BEFORE_ALL; ;) {
    const { outcome } = await connection.run({ type: 'readEvents', since, limit: PAGE })
    for (const { agentId, type, at, resources } of outcome.events.map(eventOf)) {
      if (!agents.has(agentId)) continue
      last.set(agentId, `${agoText(at)} (${type.replace('resource.', '')} ${resources.map(claimText).join(', ')})`)
    }
    if (outcome.events.length === 0 && !outcome.gap) return last
    since = outcome.cursor
  }
}

import type { LockBusyError } from '../../core/errors.ts'
import type { LockInfo } from '../../core/model.ts'
import { claimText } from '../../core/resource/resource.ts'
import { agoText, leftText, timeText } from '../../core/time/date-text.ts'
import { plain } from '../output.ts'

const SHOWN = 3

/** Who holds it, why and until when, and how many are ahead. */
export function waitingNotice({
  resources,
  holders,
  ahead,
}: Pick<LockBusyError, 'resources' | 'holders' | 'ahead'>): string {
  const known = holders.slice(0, SHOWN).map((holder) => holderText(holder, resources.length > 1))
  if (holders.length > SHOWN) known.push(`${holders.length - SHOWN} more hold parts of it`)
  if (ahead > 0) known.push(`${ahead} ahead in line`)
  return `waiting for ${resources.map(claimText).join(', ')}: ${known.join('; ')}`
}

function holderText(holder: LockInfo, isOneOfMany: boolean): string {
  const { agentId, mode, reason = '', lockedAt, expiresAt } = holder
  const what = isOneOfMany ? `${claimText(holder)} is held` : 'held'
  const shared = mode === 'shared' ? ' (shared)' : ''
  const why = reason === '' ? '' : ` (${plain(reason)})`
  const since = `since ${timeText(lockedAt)} (${agoText(lockedAt)})`
  const until = `until ${timeText(expiresAt)} (${leftText(expiresAt)}) unless it is extended`
  return `${what}${shared} by ${plain(agentId)}${why} ${since} ${until}`
}

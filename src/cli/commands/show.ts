import { lockInfoOf, previousOf } from '../../core/info.ts'
import type { LockInfo, PreviousHolder } from '../../core/model.ts'
import { claimText, modeOf, parseResource } from '../../core/resource/resource.ts'
import { agoText, leftText, timeText } from '../../core/time/date-text.ts'
import { type Connection, connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import type { JsonFlag } from '../options.ts'
import { paint, plain, print, printJson } from '../output.ts'
import { resourceOf } from '../resources.ts'
import type { Settings } from '../settings.ts'
import { MAX_WAITERS, type WaitingRequest, waitingRequest } from '../waiters.ts'

/** The most holders in an answer: as many readers as anybody reads. */
const MAX_HOLDERS = 256

/** All that is known of one resource. */
export interface ResourceState {
  readonly resourceId: string
  readonly scope: 'node' | 'tree'
  readonly locked: boolean
  readonly holders: readonly LockInfo[]
  readonly waiting: readonly WaitingRequest[]
  readonly previous: PreviousHolder | null
}

export async function show(settings: Settings, resource: string, flags: JsonFlag): Promise<number> {
  return connected(settings, async (connection) => {
    const state = await stateOf(connection, resourceOf(resource, settings.store))
    if (flags.json === true) printJson(state)
    else print(describe(state).join('\n'))
    return EXIT.ok
  })
}

export async function stateOf(connection: Connection, resource: string): Promise<ResourceState> {
  const asked = parseResource(resource)
  const { outcome, answer } = await connection.run({
    type: 'inspect',
    ...asked,
    leases: MAX_HOLDERS,
    waiters: MAX_WAITERS,
  })
  return {
    ...asked,
    locked: outcome.leases.length > 0,
    holders: outcome.leases.map((lease) => lockInfoOf(lease, answer)),
    waiting: outcome.waiting.map((waiter) => waitingRequest(waiter, answer)),
    previous: outcome.previous === null ? null : previousOf(outcome.previous),
  }
}

function describe(state: ResourceState): readonly string[] {
  const title = `${claimText(state)} is ${state.locked ? 'locked' : 'not locked'}.`
  const lines = [paint('bold', plain(title)), ...state.holders.flatMap(holderLines)]
  state.waiting.forEach(({ agentId, since, reason, resources }, index) => {
    lines.push(
      plain(`  ${index + 1}. in line: ${agentId} (${modeOf(resources)}) since ${agoText(since)}${because(reason)}`),
    )
  })
  const { previous } = state
  if (previous !== null) {
    lines.push(plain(`  last held by ${previous.agentId} until ${agoText(previous.until)}${because(previous.reason)}`))
  }
  return lines
}

/** What there is to say about one holder. */
export function holderLines(info: LockInfo): readonly string[] {
  return [
    `  held by ${info.agentId} (${info.mode})${because(info.reason)}`,
    `    since ${timeText(info.lockedAt)} (${agoText(info.lockedAt)}), ends ${timeText(info.expiresAt)} (${leftText(info.expiresAt)})`,
    `    by a lock on ${info.resources.map(claimText).join(', ')}, fencing token ${info.fencingToken}`,
  ].map(plain)
}

function because(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : `: '${reason}'`
}

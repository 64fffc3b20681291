import type { Claim, LockInfo } from '../../core/model.ts'
import { claimText, isUnder, modeOf, parseResource, typeOf } from '../../core/resource/resource.ts'
import { agoText, leftText } from '../../core/time/date-text.ts'
import { type Connection, connected } from '../connection.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import type { ListFlags } from '../options.ts'
import { printJson, printTable } from '../output.ts'
import type { Setting, Settings } from '../settings.ts'
import type { WaitingRequest } from '../waiters.ts'

/** Whether something is to be listed. */
interface Filter {
  claim(claim: Pick<Claim, 'resourceId'>): boolean
  holder(holder: { readonly agentId: string; readonly fencingToken?: number }): boolean
}

export async function ls(settings: Settings, flags: ListFlags): Promise<number> {
  if (flags.agent === '') throw new UsageError('--agent is empty: leave it out, or say which.')
  const folder = flags.under === undefined ? undefined : await folderNamed(flags.under, settings.store)
  return connected(settings, async (connection) => {
    const filter = await filterOf(connection, settings, flags, folder)
    if (flags.waiting === true) {
      const { waitersFor } = await import('../waiters.ts')
      const waiting = (await waitersFor(connection)).filter(
        (request) => filter.holder(request) && request.resources.some((claim) => filter.claim(claim)),
      )
      showWaiting(waiting, flags)
    } else showLocks(await locksOf(connection, flags, folder, filter), flags)
    return EXIT.ok
  })
}

/**
 * The id of a folder, whether it was written as one (`src`) or as all that is in it (`src/**`).
 *
 * What only some listings need is loaded only for those: a plain one starts in half the time.
 */
async function folderNamed(under: string, store: Setting): Promise<string> {
  const { resourceOf } = await import('../resources.ts')
  return parseResource(resourceOf(under, store)).resourceId
}

async function filterOf(
  connection: Connection,
  settings: Settings,
  flags: ListFlags,
  folder: string | undefined,
): Promise<Filter> {
  const { agent, mine, type } = flags
  const own = mine === true ? (await import('../owned.ts')).anonymousTokens(connection, settings) : undefined
  const isMine = (agentId: string, fence: number | undefined): boolean =>
    own === undefined || agentId === settings.agent.value || (fence !== undefined && own.has(fence))
  return {
    claim: ({ resourceId }) =>
      (type === undefined || typeOf(resourceId) === type) &&
      (folder === undefined || resourceId === folder || isUnder(resourceId, folder)),
    holder: ({ agentId, fencingToken }) => (agent === undefined || agentId === agent) && isMine(agentId, fencingToken),
  }
}

async function locksOf(
  connection: Connection,
  { agent, type }: ListFlags,
  folder: string | undefined,
  filter: Filter,
): Promise<LockInfo[]> {
  const locks: LockInfo[] = []
  const options = {
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(type === undefined ? {} : { resourceType: type }),
    ...(folder === undefined ? {} : { prefix: folder }),
  }
  for await (const info of connection.inspection.listLocks(options)) {
    if (filter.claim(info) && filter.holder(info)) locks.push(info)
  }
  return locks
}

function showLocks(locks: readonly LockInfo[], { json }: ListFlags): void {
  if (json === true) return printJson(locks)
  if (locks.length === 0) return note('Nothing is locked.')
  printTable(
    ['RESOURCE', 'MODE', 'HOLDER', 'SINCE', 'ENDS', 'WAITING', 'REASON'],
    locks.map((info) => [
      claimText(info),
      info.mode,
      info.agentId,
      agoText(info.lockedAt),
      leftText(info.expiresAt),
      String(info.waiters),
      info.reason ?? '',
    ]),
  )
}

function showWaiting(waiting: readonly WaitingRequest[], { json }: ListFlags): void {
  if (json === true) return printJson(waiting)
  if (waiting.length === 0) return note('Nobody waits.')
  printTable(
    ['RESOURCES', 'MODE', 'WAITER', 'SINCE', 'REASON'],
    waiting.map(({ resources, agentId, since, reason }) => [
      resources.map(claimText).join(', '),
      modeOf(resources),
      agentId,
      agoText(since),
      reason ?? '',
    ]),
  )
}

/** Nothing to list is no line on stdout, which a script might count. */
function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

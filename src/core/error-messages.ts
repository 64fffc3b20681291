import { NotHeldError } from './errors.ts'
import type { Claim, DeadlockLink, LockInfo, Loss, LossKind, Mode } from './model.ts'
import { claimText } from './resource/resource.ts'
import { agoText, leftText, timeText } from './time/date-text.ts'
import { formatDuration } from './time/duration.ts'

/** What a message about a resource in use is made of. */
export interface Contention {
  readonly resources: readonly Claim[]
  readonly holders: readonly LockInfo[]
  readonly ahead: number
}

const SHOWN = 3

/**
 * Why a request was not granted at once, who stands in the way, and what to do.
 *
 * @param nowMs wall-clock time, for "how long ago". Default: this process's clock.
 */
export function busyMessage(contention: Contention, nowMs: number = Date.now()): string {
  return `${names(contention.resources)} is not free: ${obstacles(contention, nowMs)}. Try again later, or wait for it (waitTimeout).`
}

/** Why a request was still not granted after `waitTimeout`; otherwise as {@link busyMessage}. */
export function timeoutMessage(contention: Contention, waitedMs: number, nowMs: number = Date.now()): string {
  const waited = `${names(contention.resources)} did not become free within ${formatDuration(waitedMs)}`
  return `${waited}: ${obstacles(contention, nowMs)}. Wait longer (waitTimeout), or try again later.`
}

/** Why a granted request gives no lock. */
export function tooLateMessage(resources: readonly Claim[]): string {
  return `The lock on ${names(resources)} was granted, but its lease was over before the answer came. Try again, or ask for a longer timeout.`
}

/** How a lease was lost, and what its former holder has to do now. */
export function lostMessage(lease: { readonly resources: readonly Claim[]; readonly loss: Loss }): string {
  const lost = `The lock on ${names(lease.resources)} was lost: ${howLost(lease.loss)}.`
  return `${lost} Others may have changed it since. Stop, check what you did under it, and lock it again. ${prevention(lease.loss)}`.trimEnd()
}

/** The circle of a deadlock, one link after the other, and how to get out of it. */
export function deadlockMessage(cycle: readonly DeadlockLink[], nowMs: number = Date.now()): string {
  const links = cycle.map((link) => `\n  ${linkText(link, nowMs)}`).join('')
  return `Waiting would never end, because all of these wait for each other:${links}\n${wayOut(cycle)}`
}

function obstacles({ holders, ahead }: Contention, nowMs: number): string {
  const all = holders.slice(0, SHOWN).map((holder) => holderText(holder, nowMs))
  if (holders.length > SHOWN) all.push(`${holders.length - SHOWN} more hold parts of it`)
  if (ahead > 0) all.push(ahead === 1 ? '1 request waits in front' : `${ahead} requests wait in front`)
  return all.length > 0 ? all.join('; ') : 'it was held a moment ago'
}

function holderText(holder: LockInfo, nowMs: number): string {
  const why = holder.reason === undefined ? '' : `, reason: '${holder.reason}'`
  const since = `since ${timeText(holder.lockedAt)} (${agoText(holder.lockedAt, nowMs)})`
  const until = `until ${timeText(holder.expiresAt)} (${leftText(holder.expiresAt, nowMs)})`
  return `${holder.agentId} holds ${claimText(holder)} (${holder.mode}${why}) ${since} ${until}`
}

const HOW_LOST: Readonly<Record<LossKind, string>> = {
  expired: 'its lease ran out',
  forced: 'somebody ended it by force',
  epoch: 'the store lost its data',
  unreachable: 'the store gave no answer until the lease had to be taken for over',
  closed: 'its lock manager was closed',
}

function howLost({ kind, by, reason }: Loss): string {
  const what = by === undefined ? HOW_LOST[kind] : `${by} ended it by force`
  return reason === undefined ? what : `${what}, reason: '${reason}'`
}

function prevention(loss: Loss): string {
  return loss.kind === 'expired' ? 'A longer timeout, or autoExtend, keeps it for longer.' : ''
}

function linkText(link: DeadlockLink, nowMs: number): string {
  const does = link.state === 'holds' ? 'holds' : 'waits for'
  return `${link.agentId} ${does} ${link.resourceId} (${link.mode}) since ${timeText(link.since)} (${agoText(link.since, nowMs)})`
}

function wayOut(cycle: readonly DeadlockLink[]): string {
  if (cycle.some((link) => wantsUpgrade(link, cycle))) {
    return 'A shared lock cannot become an exclusive one: release it first, or ask for the exclusive one from the start.'
  }
  if (cycle.length === 2 && cycle.some((link) => isHeldByItself(link, cycle))) {
    return 'This activity holds it already: share that lock with reentrant: true, or start what is not part of it by detached().'
  }
  return 'Release what you hold and try again, or ask for all of it in one request.'
}

function wantsUpgrade(waiter: DeadlockLink, cycle: readonly DeadlockLink[]): boolean {
  return waiter.mode === 'exclusive' && isHeldByItself(waiter, cycle, 'shared')
}

function isHeldByItself(waiter: DeadlockLink, cycle: readonly DeadlockLink[], mode: Mode = waiter.mode): boolean {
  if (waiter.state !== 'waits') return false
  return cycle.some(
    (link) =>
      link.state === 'holds' &&
      link.mode === mode &&
      link.agentId === waiter.agentId &&
      link.resourceId === waiter.resourceId,
  )
}

function names(claims: readonly Claim[]): string {
  const [first] = claims
  if (first === undefined) return 'The resource'
  const others = claims.length - 1
  return others === 0 ? claimText(first) : `${claimText(first)} (with ${others} more)`
}

/** What becomes of using a lock after its release. */
export function notHeld({ resources }: { readonly resources: readonly Claim[] }): NotHeldError {
  const first = resources[0]?.resourceId ?? ''
  return new NotHeldError(`The lock on ${first} was released already: acquire it again.`, { resources })
}

import type { Claim } from '../../core/model.ts'
import type { LoggedEvent } from '../../core/store.ts'

/** Texts are kept up to this number; then it starts anew. (In a WeakMap they would cost the garbage collector more.) */
const REMEMBERED = 4096

const claimTexts = new Map<readonly Claim[], string>()

/** Claims as JSON. A request's claims are written several times: into its row, and into each of its events. */
export function writeClaims(claims: readonly Claim[]): string {
  let text = claimTexts.get(claims)
  if (text === undefined) {
    text = JSON.stringify(claims)
    remember(claims, text)
  }
  return text
}

/** A text in the file that Holdfast has not written. */
export class DamagedTextError extends Error {}

/**
 * What a text in the file says.
 *
 * @param isIt whether it is of the kind that is looked for; it may throw
 * @throws DamagedTextError if it is not
 */
export function readText<T>(text: unknown, isIt: (value: T) => boolean): T {
  try {
    const value = JSON.parse(String(text)) as T
    if (isIt(value)) return value
  } catch (cause) {
    throw new DamagedTextError('a row cannot be read', { cause })
  }
  throw new DamagedTextError('a row says something that Holdfast does not write')
}

/** The reverse of {@link writeClaims}. */
export function readClaims(text: string): readonly Claim[] {
  const claims = readText<readonly Claim[]>(text, (value) => value.length > 0 && value.every(isClaim))
  remember(claims, text)
  return claims
}

function isClaim({ resourceId, mode, scope }: Claim): boolean {
  return resourceId.includes(':') && ['exclusive', 'shared'].includes(mode) && ['node', 'tree'].includes(scope)
}

function remember(claims: readonly Claim[], text: string): void {
  if (claimTexts.size >= REMEMBERED) claimTexts.clear()
  claimTexts.set(claims, text)
}

/** An event as it stands in the file: without its cursor and time, which its row says, and without what is absent. */
export type WrittenEvent = Pick<LoggedEvent, 'type' | 'agentId' | 'claims'> & Partial<LoggedEvent>

/** The events of a batch as JSON; put together by hand, because that takes half the time. */
export function writeEvents(events: readonly LoggedEvent[]): string {
  return `[${events.map(writeEvent).join(',')}]`
}

function writeEvent({ type, agentId, fence, claims, reason, metadata, heldMs, waitedMs, forced }: LoggedEvent): string {
  let text = `{"type":"${type}","agentId":${JSON.stringify(agentId)},"claims":${writeClaims(claims)}`
  if (fence !== null) text += `,"fence":${fence}`
  if (reason !== null) text += `,"reason":${JSON.stringify(reason)}`
  if (metadata !== null) text += `,"metadata":${JSON.stringify(metadata)}`
  if (heldMs !== null) text += `,"heldMs":${heldMs}`
  if (waitedMs !== null) text += `,"waitedMs":${waitedMs}`
  if (forced !== null) text += `,"forced":${JSON.stringify(forced)}`
  return `${text}}`
}

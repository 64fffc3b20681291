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

/** The reverse of {@link writeClaims}. */
export function readClaims(text: string): readonly Claim[] {
  const claims = JSON.parse(text) as readonly Claim[]
  remember(claims, text)
  return claims
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

import type { AcquireOutcome, Answer, Outcome, ReleaseOutcome } from '../../core/store.ts'
import { readText } from './texts.ts'

type Granted = Extract<AcquireOutcome, { readonly type: 'granted' }>

/** The two outcomes that nearly all batches have, without their names: the answer is written with each batch. */
type PackedGrant = readonly [number, number, number, number, Granted['previous'], number, number, string | null]
type PackedRelease = readonly [number, number, number, string | null]
type Packed = PackedGrant | PackedRelease | Exclude<Outcome, Granted | ReleaseOutcome>

type PackedAnswer = Omit<Answer, 'outcomes'> & { readonly outcomes: readonly Packed[] | null }

/** A session's last answer as JSON; put together by hand, because that takes half the time. */
export function writeAnswer({ outcomes, messages, ...rest }: Answer): string {
  const said = outcomes === null ? 'null' : `[${outcomes.map(pack).join(',')}]`
  const { epoch, now, wallNow, fresh, more, wakeAt } = rest
  const told = messages.length === 0 ? '[]' : JSON.stringify(messages)
  return `{"epoch":"${epoch}","now":${now},"wallNow":${wallNow},"fresh":${fresh},"more":${more},"wakeAt":${wakeAt},"messages":${told},"outcomes":${said}}`
}

/** The reverse of {@link writeAnswer}. */
export function readAnswer(text: string): Answer {
  const answer = readText<PackedAnswer>(text, ({ epoch }) => typeof epoch === 'string')
  return { ...answer, outcomes: answer.outcomes?.map(unpack) ?? null }
}

function pack(outcome: Outcome): string {
  if (outcome.type === 'granted') {
    const { id, fence, wallLockedAt, expiresAt, previous, waiters, waitedMs, cursor } = outcome
    const known = previous.length === 0 ? '[]' : JSON.stringify(previous)
    return `[${id},${fence},${wallLockedAt},${expiresAt},${known},${waiters},${waitedMs},${quoted(cursor)}]`
  }
  if (outcome.type !== 'released') return JSON.stringify(outcome)
  const { released, shared, heldMs, cursor } = outcome
  return `[${released ? 1 : 0},${shared ? 1 : 0},${heldMs},${quoted(cursor)}]`
}

/** A cursor has no character that JSON would escape. */
function quoted(cursor: string | null): string {
  return cursor === null ? 'null' : `"${cursor}"`
}

function unpack(packed: Packed): Outcome {
  if (!Array.isArray(packed)) return packed as Outcome
  const known = packed as PackedGrant | PackedRelease
  if (known.length === 4) {
    const [released, shared, heldMs, cursor] = known
    return { type: 'released', released: released === 1, shared: shared === 1, heldMs, cursor }
  }
  const [id, fence, wallLockedAt, expiresAt, previous, waiters, waitedMs, cursor] = known
  return { type: 'granted', id, fence, wallLockedAt, expiresAt, previous, waiters, waitedMs, cursor }
}

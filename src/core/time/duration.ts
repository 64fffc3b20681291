import { InvalidRequestError } from '../errors.ts'
import { show } from '../show.ts'

/** A span of time with its unit: milliseconds, seconds, minutes, hours or days. `'1.5s'` is `'1500ms'`. */
export type Duration = `${number}ms` | `${number}s` | `${number}m` | `${number}h` | `${number}d`

/** What a duration may be where it is read. */
export interface DurationLimits {
  readonly minMs: number
  /** May be `Infinity`. */
  readonly maxMs: number
  /** Whether `0` has a meaning here, even below `minMs`. Default: no. */
  readonly zero?: boolean
  /** Words that stand for a time, such as `{ forever: Infinity }`; the limits do not bind them. Default: none. */
  readonly words?: Readonly<Record<string, number>>
}

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const FORM = /^(?<amount>\d+(?:\.\d+)?)(?<unit>ms|s|m|h|d)$/

/**
 * Milliseconds, whole, of a duration as a caller writes it.
 *
 * A number other than `0` is refused: the original counted seconds, JavaScript counts milliseconds, and a wrong guess
 * would free live locks.
 *
 * @param what the option's name, for the message
 * @throws InvalidRequestError that names the option, the value and the rule.
 */
export function parseDuration(value: unknown, what: string, limits: DurationLimits): number {
  if (typeof value === 'string' && Object.hasOwn(limits.words ?? {}, value)) return limits.words?.[value] ?? 0
  const ms = readMs(value, what, limits)
  if (ms === 0 && limits.zero === true) return 0
  if (ms < limits.minMs) throw new InvalidRequestError(`${what}: ${show(value)} is too short: ${rule(limits)}.`)
  if (ms > limits.maxMs) throw new InvalidRequestError(`${what}: ${show(value)} is too long: ${rule(limits)}.`)
  return ms
}

function readMs(value: unknown, what: string, limits: DurationLimits): number {
  if (value === 0) return 0
  const match = typeof value === 'string' ? FORM.exec(value) : null
  if (match === null) {
    throw new InvalidRequestError(`${what}: ${show(value)} ${complaint(value)} Here: ${rule(limits)}.`)
  }
  const { amount, unit } = match.groups as { amount: string; unit: keyof typeof MS_PER_UNIT }
  const ms = Number(amount) * MS_PER_UNIT[unit]
  // Something small is not nothing: 0 may mean "do not wait at all".
  return ms === 0 ? 0 : Math.max(1, Math.round(ms))
}

function complaint(value: unknown): string {
  if (typeof value === 'number') return complainOfNumber(value)
  if (typeof value !== 'string') return `is not a duration: write a string such as '30s'.`
  const text = value.trim()
  if (text === '') return `is empty: write a duration such as '30s'.`
  if (text.startsWith('-')) return 'is negative, which no duration may be.'
  if (/^\d+(?:\.\d+)?$/.test(text)) return `has no unit: write '${text}s' for seconds or '${text}ms' for milliseconds.`
  const unspaced = text.replaceAll(/\s/g, '').toLowerCase()
  if (FORM.test(unspaced)) return `is not written right: write '${unspaced}', in small letters and without spaces.`
  return `is not a duration: write a number and one of the units ms, s, m, h, d, such as '250ms', '30s' or '1.5h'.`
}

function complainOfNumber(value: number): string {
  if (Number.isNaN(value)) return 'is not a duration.'
  if (value < 0) return 'is negative, which no duration may be.'
  if (!Number.isFinite(value)) return `is not a duration: write a string such as '30s'.`
  return (
    `could mean '${value}s' or '${value}ms': the original counted seconds, JavaScript counts milliseconds. ` +
    'Write a string with the unit.'
  )
}

function rule({ minMs, maxMs, zero, words = {} }: DurationLimits): string {
  const least = `at least ${formatDuration(minMs)}`
  const range = maxMs === Infinity ? least : `${least} and at most ${formatDuration(maxMs)}`
  const others = [...(zero === true ? ['0'] : []), ...Object.keys(words).map((word) => `'${word}'`)]
  return [range, ...others].join(', or ')
}

/**
 * A time for people: `'250ms'`, `'1.5s'`, `'1m 5s'`, `'2h'`, `'3d 4h'`; at most two units, the rest is rounded.
 * Less than nothing is shown as nothing, `Infinity` as `'forever'`,
 * what is no number as `'an unknown time'`.
 */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return 'forever'
  if (Number.isNaN(ms)) return 'an unknown time'
  const { ms: millisecond, s, m, h, d } = MS_PER_UNIT
  const whole = Math.max(0, Math.round(ms))
  if (whole < s) return `${whole / millisecond}ms`
  const tenths = roundTo(whole, s / 10)
  if (tenths < m) return `${tenths / s}s`
  const seconds = roundTo(whole, s)
  if (seconds < h) return twoUnits(seconds, m, 'm', s, 's')
  const minutes = roundTo(whole, m)
  if (minutes < d) return twoUnits(minutes, h, 'h', m, 'm')
  return twoUnits(roundTo(whole, h), d, 'd', h, 'h')
}

function roundTo(ms: number, step: number): number {
  return Math.round(ms / step) * step
}

function twoUnits(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = (ms % big) / small
  return rest === 0 ? `${ms / big}${bigName}` : `${Math.floor(ms / big)}${bigName} ${rest}${smallName}`
}

/**
 * Postgres knows no text with the character 0 and none with half of a surrogate pair, and users may write both. They
 * cross the wire as the character 1 and four hexadecimal digits; and so does the character 1.
 */

const MARK = '\u0001'
const HALF_PAIR = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** JSON in which no string has a character that Postgres refuses. */
export function writeJson(value: unknown): string {
  const json = JSON.stringify(value)
  // JSON writes what is not allowed with an escape, so that it shows.
  if (!/\\u(?:000[01]|d[89a-f])/.test(json)) return json
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? guarded(each) : each))
}

/** A text that Postgres takes. */
export function guarded(text: string): string {
  return text.replaceAll(MARK, marked).replaceAll('\0', marked).replaceAll(HALF_PAIR, marked)
}

function marked(unit: string): string {
  return `${MARK}${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The reverse of {@link writeJson}. */
export function readJson(json: string): unknown {
  if (!json.includes('\\u0001')) return JSON.parse(json)
  return JSON.parse(json, (_, each: unknown) => (typeof each === 'string' ? unguarded(each) : each))
}

function unguarded(text: string): string {
  const [start = '', ...rest] = text.split(MARK)
  return rest.reduce(
    (read, part) => read + String.fromCharCode(Number.parseInt(part.slice(0, 4), 16)) + part.slice(4),
    start,
  )
}

/**
 * The least text that is greater than every text with this prefix, as Postgres compares with COLLATE "C": by bytes of
 * UTF-8. `null` if there is none.
 */
export function textAfter(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // Half a surrogate pair is no character.
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
  }
  return null
}

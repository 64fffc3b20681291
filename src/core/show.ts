const LONGEST = 80

/** A value as it stands in a message: short, on one line, and never a throw, whatever the value is. */
export function show(value: unknown): string {
  if (typeof value === 'string') return shorten(hasOddCharacters(value) ? JSON.stringify(value) : `'${value}'`)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return shorten(JSON.stringify(value) ?? 'an object')
  } catch {
    return Array.isArray(value) ? 'a list' : 'an object'
  }
}

function hasOddCharacters(text: string): boolean {
  return /\p{Cc}/u.test(text) || !text.isWellFormed()
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST).toWellFormed()}…`
}

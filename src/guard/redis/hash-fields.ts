import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'

/** The fields of a hash. */
export type HashFields = Readonly<Record<string, string>>

/** Fields out of what HGETALL replies: names and values in turn. */
export function fieldsOf(flat: readonly string[]): HashFields {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([flat[at] ?? '', flat[at + 1] ?? ''])
  // Not by assignment: a field may be called `__proto__`.
  return Object.fromEntries(pairs)
}

/**
 * What has to be written: names and values in turn, and the names that are gone.
 *
 * @throws InvalidRequestError if a value is no string
 */
export function changesOf(
  before: HashFields,
  after: HashFields,
): { readonly set: readonly string[]; readonly remove: readonly string[] } {
  if (typeof after !== 'object' || after === null) {
    throw new InvalidRequestError(`${show(after)} is not an object of fields: return those that the hash is to have.`)
  }
  const set = Object.entries(after).flatMap(([field, value]) => {
    if (typeof value !== 'string') {
      throw new InvalidRequestError(`The field ${show(field)} cannot be set to ${show(value)}: give a string.`)
    }
    return Object.hasOwn(before, field) && before[field] === value ? [] : [field, value]
  })
  return { set, remove: Object.keys(before).filter((field) => !Object.hasOwn(after, field)) }
}

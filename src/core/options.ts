import { InvalidRequestError } from './errors.ts'
import { show } from './show.ts'

/**
 * Refuses what is not an options object, and options that nobody knows: a misspelt one would silently do nothing.
 *
 * @param of what takes the options, for the message
 * @param needed an example of the least that must be given; default: they may all be left out
 * @throws InvalidRequestError
 */
export function checkOptions(options: unknown, known: readonly string[], of: string, needed?: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const hint = needed === undefined ? '' : `: give at least ${needed}`
    throw new InvalidRequestError(`${of}: ${show(options)} is not an object of options${hint}.`)
  }
  const unknown = Object.keys(options).find((key) => !known.includes(key))
  if (unknown === undefined) return
  throw new InvalidRequestError(`${of}: ${show(unknown)} is not an option. Known are ${known.join(', ')}.`)
}

/** @throws InvalidRequestError if the value is not a whole number of at least 1. */
export function checkCount(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new InvalidRequestError(`${what}: ${show(value)} is not allowed: use a whole number of at least 1.`)
}

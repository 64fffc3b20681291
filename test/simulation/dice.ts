import type { Chance } from '../../src/core/chance.ts'
import { Random } from '../support/random.ts'

/**
 * Chance that belongs to a name. What is drawn under one name does not depend on what is drawn under another, so an
 * operation that is taken out of a history leaves the luck of the others as it was.
 */
export function dice(seed: number, ...names: readonly (string | number)[]): Random {
  let hash = seed >>> 0
  for (const name of names) {
    const text = String(name)
    for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15) ^ 0x2f, 0x85ebca6b)
  }
  return new Random(hash ^ (hash >>> 13))
}

/** What a session takes from chance, repeatable. */
export function seededChance(random: Random): Chance {
  const word = (): string =>
    random
      .below(2 ** 32)
      .toString(36)
      .padStart(7, '0')
  return { id: () => `${word()}${word()}${word()}`, fraction: () => random.next() }
}

export function between(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low)
}

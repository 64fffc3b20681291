import { randomId } from './random-id.ts'

/** Where sessions take from what must be another each time. Exchangeable, so that a simulation can be repeated. */
export interface Chance {
  /** 128 random bits, for what nobody may guess. */
  id(): string
  /** From 0 up to but not including 1, for what only has to be spread. */
  fraction(): number
}

/** This process's own sources of chance. */
export const systemChance: Chance = { id: randomId, fraction: () => Math.random() }

import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16

/** Random bytes drawn ahead: one call for many ids, because a call costs far more than its bytes. */
const pool = Buffer.allocUnsafeSlow(ID_BYTES * 256)
let used = pool.length

/** 128 random bits, for what nobody may guess: ownership tokens, sessions, chains. Each is drawn once. */
export function randomId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const id = pool.toString('base64url', used, used + ID_BYTES)
  // What was given out does not stay in memory twice.
  pool.fill(0, used, used + ID_BYTES)
  used += ID_BYTES
  return id
}

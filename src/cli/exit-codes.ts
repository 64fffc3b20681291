/** How `holdfast` ends, for scripts to decide by; those from 64 on are named after sysexits(3). */
export const EXIT = {
  ok: 0,
  /** Anything else: nothing to release or to unlock, stale locks found, a doctor's complaint, a defect. */
  other: 1,
  /** The command line, a setting or a value is wrong. */
  usage: 64,
  /** The store cannot be reached. */
  unavailable: 69,
  /** Not acquired: busy, not free in time, or waiting would never have ended (a deadlock). */
  notAcquired: 75,
  /** A lease was lost before it was released. */
  lost: 76,
  /** Interrupted while it waited (Ctrl-C). */
  interrupted: 130,
} as const

/** What each code means, in the words of `--help` and the documentation. */
export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.other, 'anything else: nothing to release or unlock, stale locks found, doctor found something wrong'],
  [EXIT.usage, 'wrong command line, setting or value'],
  [EXIT.unavailable, 'the store cannot be reached'],
  [EXIT.notAcquired, 'not acquired: busy, not free in time, or a deadlock'],
  [EXIT.lost, 'the lease was lost'],
  [EXIT.interrupted, 'interrupted while waiting (128 + the number of the signal, for other signals)'],
  [126, 'run: the command could not be executed'],
  [127, 'run: the command was not found'],
]

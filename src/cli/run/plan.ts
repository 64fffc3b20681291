import { checkText, LEASE_LIMITS, MAX_AGENT_BYTES, MAX_REASON_BYTES } from '../../core/lock/request.ts'
import type { Claim } from '../../core/model.ts'
import { parseDuration } from '../../core/time/duration.ts'
import { EXIT } from '../exit-codes.ts'
import type { RunOptions } from '../options.ts'
import { claimsOf } from '../resources.ts'
import type { Settings } from '../settings.ts'
import { readWait } from '../wait.ts'

/** A program and its arguments. */
export type Line = readonly [program: string, ...args: string[]]

/** What a command line of `run` asks for, checked. */
export interface Plan {
  readonly claims: readonly Claim[]
  readonly line: Line
  readonly agentId: string
  readonly reason: string
  /** How long the lease outlives this process. */
  readonly leaseMs: number
  /** 0: not at all; `Infinity`: for ever. */
  readonly waitMs: number
  /** Do nothing, successfully, where the lock is not free. */
  readonly skip: boolean
  /** From SIGTERM to SIGKILL, at the longest. */
  readonly killAfterMs: number
  readonly conflictExitCode: number
}

const KILL_LIMITS = { minMs: 1, maxMs: 86_400_000, zero: true, words: { '0': 0 } } as const

/** @throws InvalidRequestError that names the option or the argument, and the rule */
export function planOf(
  settings: Settings,
  resources: readonly string[],
  line: readonly string[],
  options: RunOptions,
): Plan {
  const [program = '', ...args] = line
  const { wait, skip = false, shared = false, timeout = '30s', killAfter = '5s' } = options
  return {
    claims: claimsOf(resources, shared ? 'shared' : 'exclusive', settings.store),
    line: [program, ...args],
    agentId: checkText(settings.agent.value, settings.agent.source, 1, MAX_AGENT_BYTES),
    reason:
      options.reason === undefined ? reasonFrom(line) : checkText(options.reason, '--reason', 0, MAX_REASON_BYTES),
    leaseMs: parseDuration(timeout, '--timeout', LEASE_LIMITS),
    waitMs: skip ? 0 : readWait(wait),
    skip,
    killAfterMs: parseDuration(killAfter, '--kill-after', KILL_LIMITS),
    conflictExitCode: options.conflictExitCode ?? EXIT.notAcquired,
  }
}

/** Words of a command that say what it is about: a script's name, a subcommand. */
const TELLING = /^[\p{L}\p{N}_./:@][\p{L}\p{N}_./:@-]{0,79}$/u

/**
 * The command, as far as everybody may know it: others see the reason, in the log too, and arguments may hold secrets.
 * So it ends before the first option, and after three words.
 */
function reasonFrom(line: readonly string[]): string {
  const end = line.findIndex((word) => !TELLING.test(word))
  const words = line.slice(0, end < 0 ? 3 : Math.min(end, 3))
  return words.join(' ')
}

import { writeSync } from 'node:fs'
import type { Lock } from '../../core/lock/lock.ts'
import type { LockManager } from '../../core/manager.ts'
import { claimText } from '../../core/resource/resource.ts'
import { messageOf, report } from '../failure.ts'
import type { RunOptions } from '../options.ts'
import { folderNotices } from '../resources.ts'
import { acquireFor } from '../run/acquiring.ts'
import { Command } from '../run/command.ts'
import { chainFrom, environmentOf } from '../run/environment.ts'
import { Guardian } from '../run/guardian.ts'
import { LeaseWatch } from '../run/lease-watch.ts'
import { type Plan, planOf } from '../run/plan.ts'
import { type Result, resultOfEnd, resultOfError, resultOfLoss } from '../run/result.ts'
import { Signals } from '../run/signals.ts'
import { type Status, StatusFile } from '../run/status.ts'
import { hasTerminal } from '../run/terminal.ts'
import { openManager, type Settings } from '../settings.ts'

/** How long the process stays for a store that does not let itself be closed. */
const CLOSE_WITHIN_MS = 1_000

/** What is told of a run besides its result. */
type Account = { -readonly [Key in 'resources' | 'fence' | 'waitedMs' | 'heldMs']?: Status[Key] }

/**
 * Runs a command while a lock is held.
 *
 * @returns the command's exit code, or 128 + n for a signal that ended it, or one of ours: the status file tells which
 */
export async function run(
  settings: Settings,
  resources: readonly string[],
  line: readonly string[],
  options: RunOptions,
): Promise<number> {
  const file = new StatusFile(options.statusFile)
  const signals = new Signals()
  const account: Account = { resources }
  let locks: LockManager | undefined
  let result: Result
  try {
    const plan = planOf(settings, resources, line, options)
    account.resources = plan.claims.map(claimText)
    for (const notice of folderNotices(resources, settings.store)) say(notice)
    locks = await openManager(settings)
    result = await runUnderLock(plan, locks, signals, account)
  } catch (error) {
    result = resultOfError(error, options)
  }
  signals.finish()
  if (result.error !== undefined) report(result.error)
  writeStatus(file, result, account)
  await closeSoon(locks)
  signals.close()
  return result.exitCode
}

async function runUnderLock(plan: Plan, locks: LockManager, signals: Signals, account: Account): Promise<Result> {
  const chain = chainFrom(process.env)
  const asked = performance.now()
  const waited = (): void => void (account.waitedMs = Math.round(performance.now() - asked))
  const lock = await acquireFor(plan, locks, chain, signals.interrupted, say).finally(waited)
  const granted = performance.now()
  account.fence = lock.fencingToken
  const result = await runHolding(plan, lock, chain, signals)
  signals.finish()
  account.heldMs = Math.round(performance.now() - granted)
  return result.outcome === 'lost' ? result : ((await release(lock)) ?? result)
}

async function runHolding(plan: Plan, lock: Lock, chain: string, signals: Signals): Promise<Result> {
  // Both may have happened while the answer was on its way.
  signals.interrupted.throwIfAborted()
  lock.assertHeld()
  const { env, mark } = environmentOf(lock, chain, process.env)
  // Before the command: there is no moment at which nobody would end it.
  const guardian = new Guardian(mark, plan.killAfterMs)
  const command = new Command(plan.line, { env, mark, onTerminal: hasTerminal() })
  guardian.protect(command)
  const watch = new LeaseWatch(lock, command, guardian, plan.killAfterMs)
  signals.sendTo({ command, onTerminal: hasTerminal, onContinued: watch.look })
  const end = await command.ended
  const lost = await watch.finish()
  guardian.dismiss()
  return lost === undefined ? resultOfEnd(end, plan.line[0]) : resultOfLoss(lost)
}

/** Lets go. What the command did stands, whether or not the store can be told; only that the lock was lost counts. */
async function release(lock: Lock): Promise<Result | undefined> {
  try {
    await lock.release()
  } catch (error) {
    say(`the lock could not be released, and ends by itself: ${messageOf(error)}`)
  }
  return lock.signal.aborted ? resultOfError(lock.signal.reason, {}) : undefined
}

function writeStatus(file: StatusFile, { error, ...result }: Result, account: Account): void {
  const { resources = [], waitedMs = 0, heldMs = 0, fence } = account
  const message = error === undefined ? {} : { message: messageOf(error) }
  try {
    file.write({ ...result, ...message, resources, ...(fence === undefined ? {} : { fence }), waitedMs, heldMs })
  } catch (failure) {
    say(`the status file could not be written: ${(failure as Error).message}`)
  }
}

async function closeSoon(locks: LockManager | undefined): Promise<void> {
  if (locks === undefined) return
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, CLOSE_WITHIN_MS, false)
  })
  const isClosed = await Promise.race([locks.close().then(() => true), patience])
  clearTimeout(timer)
  // The store does not answer, and what is still open would keep the process for many seconds more. By the time this
  // runs the exit code is set.
  if (!isClosed) setImmediate(() => process.exit())
}

/** Straight to the file: `process.stderr` would make a pipe non-blocking, which is also the command's. */
function say(text: string): void {
  try {
    writeSync(2, `holdfast: ${text}\n`)
  } catch {
    // Nobody reads it.
  }
}

// What locks are for, to be seen: processes that edit the same files, first without locks and then with them.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { chooseOriginals } from './arena.ts'
import { STUCK_LEASE } from './guard.ts'
import { type Options, readOptions } from './options.ts'
import { run } from './run.ts'
import { openScreen, type Screen } from './screen.ts'
import { bad, good, isFlawless, losses, table, verdict } from './summary.ts'

const FILES = 4

const options = readOptions()
const screen = openScreen(process.stdout, options.agents + FILES + 5)
const stop = new AbortController()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
// It may come several times, from the terminal and from npm: once is enough.
for (const signal of signals) process.on(signal, () => stop.abort(signal))
// Nobody looks any more: the terminal was closed, or the reader at the other end of a pipe has gone.
process.stdout.on('error', () => stop.abort('SIGHUP'))

const folder = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
try {
  process.exitCode = (await play(options, screen, folder)) ? 0 : 1
} catch (error) {
  if (!stop.signal.aborted) throw error
} finally {
  screen.settle()
  if (stop.signal.aborted) screen.say('  Stopped.')
  if (options.keep) screen.say(`  The files are in ${folder}`)
  else await rm(folder, { recursive: true, force: true })
  screen.restore()
}
if (stop.signal.aborted) endBySignal()

/** @returns whether all went as it should */
async function play({ agents, edits, withoutLocksOnly }: Options, on: Screen, within: string): Promise<boolean> {
  const originals = chooseOriginals(FILES)
  const common = { originals, agents, edits }
  heading(on, `Holdfast: ${agents} agents edit the same ${FILES} files`)
  on.say('  Each agent is a process. For an edit it reads a file, thinks, and writes the whole file back with one')
  on.say('  line more. In the end we count the lines. The last agent is killed in the middle of an edit.')

  heading(on, 'Without locks: everybody just edits')
  const without = await run({ ...common, root: join(within, 'without-locks'), database: null }, on, stop.signal)
  verdict(without).forEach((line) => on.say(line))
  if (isFlawless(without)) on.say('  Lucky: on this machine, this time, no two agents got in each other’s way.')
  if (withoutLocksOnly) {
    losses(without).forEach((line) => on.say(bad(`lost: ${line}`)))
    return isFlawless(without)
  }

  heading(on, 'With locks: the same work, but each edit holds the lock of its files')
  const database = join(within, 'locks.db')
  const withLocks = await run({ ...common, root: join(within, 'with-locks'), database }, on, stop.signal)
  verdict(withLocks).forEach((line) => on.say(line))

  heading(on, 'Summary')
  table(without, withLocks).forEach((line) => on.say(line))
  on.say('')
  losses(withLocks).forEach((line) => on.say(bad(`lost although there were locks: ${line}`)))
  if (isFlawless(withLocks)) on.say(good('With locks nothing was lost.'))
  on.say(
    `    They took longer: who wants the same file waits, and a killed agent keeps it until its lease of ${STUCK_LEASE} ends.`,
  )
  return isFlawless(withLocks)
}

function heading(on: Screen, text: string): void {
  on.say(`\n${styleText('bold', text)}`)
}

/** Ends as a process does that a signal ends, so that whoever started it knows. */
function endBySignal(): void {
  for (const signal of signals) process.removeAllListeners(signal)
  process.kill(process.pid, stop.signal.reason as NodeJS.Signals)
}

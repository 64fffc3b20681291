import { type Command, Option } from 'commander'
import { countOption, declare, ending, settingsOf, takeJson, takeSettings, takeWait } from './declaration.ts'
import type { AcquireFlags, ExtendFlags, JsonFlag, UnlockFlags } from './options.ts'

/** The largest process id of any system that Node runs on. */
const MAX_PID = 2 ** 32 - 1

export function declareAcquire(program: Command): void {
  const command = declare(program, 'acquire', {
    summary: 'take a lock that stays when this command ends',
    details:
      'Prints a handle for extend and release. The lock lasts for --timeout, then it ends by itself; with --for-pid it ' +
      'is kept for as long as that process lives. A handle is a secret: whoever has it owns the lock. It is also kept ' +
      'in a private folder of yours, so that release RESOURCE finds it.',
    examples: [
      ['holdfast acquire src/main.ts --reason "rename the parser"', 'ten minutes, unless extended'],
      ['handle=$(holdfast acquire db:test --timeout 1h)', 'keep the handle for later'],
      ['holdfast acquire port:5432 --for-pid $$', 'for as long as this shell lives'],
      ["holdfast acquire 'docs/**' --no-wait --json", 'fail at once if it is taken; all about the lock as JSON'],
    ],
  })
  takeWait(takeJson(takeSettings(command), 'print the lock and its handle as one JSON object'))
    .argument('<RESOURCE...>', 'ids such as port:5432, or paths; all are locked together or not at all')
    .option('--shared', 'hold it together with other readers')
    .addOption(new Option('--timeout <duration>', 'when the lock ends by itself (default: 10m; with --for-pid 30s)'))
    .option('--reason <text>', 'why; others see it')
    .addOption(countOption('--for-pid <pid>', 'keep the lock while this process lives', 1, MAX_PID))
    .action((resources: string[], flags: AcquireFlags) =>
      ending(import('./commands/acquire.ts').then(({ acquire }) => acquire(settingsOf(command), resources, flags))),
    )
}

export function declareExtend(program: Command): void {
  const command = declare(program, 'extend', {
    summary: 'make a lock of acquire last longer',
    details: 'It then lasts for --timeout from now, but never ends earlier than it would have.',
    examples: [
      ['holdfast extend "$handle"', 'by as much again as it was acquired for'],
      ['holdfast extend "$handle" --timeout 1h', 'until an hour from now'],
    ],
  })
  takeJson(takeSettings(command), 'print the lock as one JSON object')
    .argument('<HANDLE|RESOURCE>', 'what acquire printed (- reads it from stdin), or a resource of your own')
    .option('--timeout <duration>', 'from now (default: what it was acquired for)')
    .action((handle: string, flags: ExtendFlags) =>
      ending(import('./commands/extend.ts').then(({ extend }) => extend(settingsOf(command), handle, flags))),
    )
}

export function declareRelease(program: Command): void {
  const command = declare(program, 'release', {
    summary: 'let go of a lock of acquire',
    details:
      'A RESOURCE means the lock that you yourself acquired on it on this machine; those of others are ended by unlock. ' +
      'A request over several resources is released as a whole. Ends with 76 if the lock was lost before, and with 1 ' +
      'if there is nothing to release.',
    examples: [
      ['holdfast release "$handle"', 'by its handle'],
      ['holdfast release src/main.ts', 'by the resource'],
      ['echo "$handle" | holdfast release -', 'so that the handle is in no list of processes'],
    ],
  })
  takeJson(takeSettings(command), 'print what was released as one JSON object')
    .argument('<HANDLE|RESOURCE>', 'what acquire printed (- reads it from stdin), or a resource of your own')
    .action((target: string, flags: JsonFlag) =>
      ending(import('./commands/release.ts').then(({ release }) => release(settingsOf(command), target, flags))),
    )
}

export function declareUnlock(program: Command): void {
  const command = declare(program, 'unlock', {
    summary: "end somebody else's lock by force",
    details:
      'Shows who holds the resource, since when, why, when they last did something with locks, and whether it is ' +
      'yourself; then asks. Only the locks that were shown are ended: whoever gets the resource meanwhile keeps it. The ' +
      'holder is told who did it and why, and so is everybody who watches.',
    examples: [
      ['holdfast unlock port:5432 --force --reason "its agent has crashed"', 'asks first'],
      ['holdfast unlock port:5432 --force --reason "nightly reset" --yes', 'in a script'],
    ],
  })
  takeJson(takeSettings(command), 'print what was ended as one JSON array')
    .argument('<RESOURCE>', 'an id such as port:5432, or a path')
    .option('--force', 'say that you mean it; always needed')
    .option('--reason <text>', 'why; the holder is told; always needed')
    .option('--yes', 'do not ask')
    .action((resource: string, flags: UnlockFlags) =>
      ending(import('./commands/unlock.ts').then(({ unlock }) => unlock(settingsOf(command), resource, flags))),
    )
}

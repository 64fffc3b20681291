import type { Command } from 'commander'
import { countOption, declare, ending, settingsOf, takeSettings, takeWait } from './declaration.ts'
import { UsageError } from './failure.ts'
import type { RunOptions } from './options.ts'

/** `run`: a command under a lock. */
export function declareRun(program: Command): void {
  const command = declare(program, 'run', {
    summary: 'run a command while holding a lock',
    details:
      'Waits until all RESOURCEs are free, locks them, runs the command, and lets go when it ends, however it ends. ' +
      "Ends like the command did. If the lock is lost while it runs, the command is stopped. The command's environment " +
      'tells it about the lock: HOLDFAST_RESOURCES (one on a line), HOLDFAST_FENCE, HOLDFAST_AGENT, HOLDFAST_EXPIRES_AT ' +
      '(when the command starts; the lease is renewed while it runs), and HOLDFAST_CHAIN, by which a run inside of it ' +
      'finds out at once that it would wait for this one. Leave HOLDFAST_RUN there: by it what the command starts is ' +
      'found when it has to be stopped.',
    examples: [
      ['holdfast run src/main.ts -- npm run format', 'format while nobody else edits the file'],
      ["holdfast run 'src/**' --shared -- npm test", 'read a whole folder; other readers may, too'],
      ['holdfast run port:5432 db:test --wait 5m -- npm run e2e', 'two resources, all or nothing'],
      ['holdfast run job:nightly --skip -- ./nightly.sh', 'do nothing, successfully, if it runs already'],
      ['holdfast run git:index --no-wait --conflict-exit-code 3 -- git commit', 'fail at once if it is taken'],
    ],
  })
  takeWait(takeSettings(command), 'skip')
    .usage('[options] RESOURCE... -- command args...')
    .argument('<RESOURCE...>', 'ids such as port:5432, or paths; a folder with all in it is dir/**')
    .option('--skip', 'do nothing and end with 0 if it is not free')
    .option('--shared', 'hold it together with other readers')
    .option('--timeout <duration>', 'how long the lease outlives this process, should it die (default: 30s)')
    .option('--reason <text>', 'why; others see it (default: the first words of the command)')
    .addOption(countOption('--conflict-exit-code <code>', 'end with this if it was not acquired (default: 75)', 0, 255))
    .option('--kill-after <duration>', 'after a lost lease: from SIGTERM to SIGKILL (default: 5s)')
    .option('--status-file <file>', 'write there, as JSON, what became of the lock')
    .action((args: string[], options: RunOptions) => {
      const { resources, line } = split(args, program)
      return ending(import('./commands/run.ts').then(({ run }) => run(settingsOf(command), resources, line, options)))
    })
}

/** The parser gives what stands before and after `--` in one list; only the raw command line knows where it was. */
function split(
  args: readonly string[],
  program: Command,
): { readonly resources: readonly string[]; readonly line: readonly string[] } {
  // Commander declares it only in its documentation.
  const { rawArgs } = program as Command & { readonly rawArgs: readonly string[] }
  const at = rawArgs.indexOf('--')
  const line = at < 0 ? [] : rawArgs.slice(at + 1)
  const resources = args.slice(0, args.length - line.length)
  if (line.length === 0) {
    throw new UsageError("There is no command to run: write it after '--'.")
  }
  if (resources.length === 0) {
    throw new UsageError("There is no RESOURCE to lock: name it before '--'.")
  }
  return { resources, line }
}

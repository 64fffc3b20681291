import { Command } from 'commander'
import { aligned, takeSettings } from './declaration.ts'
import { declareAcquire, declareExtend, declareRelease, declareUnlock } from './declare-holding.ts'
import { declareLs, declareShow, declareStale, declareWatch } from './declare-looking.ts'
import { declareRun } from './declare-run.ts'
import { declareCompletion, declareDemo, declareDoctor, declareMigrate, declareStatus } from './declare-tools.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'
import { packageVersion } from './version.ts'

/** Every command by its name, in the order of the help. */
const COMMANDS: Readonly<Record<string, (program: Command) => void>> = {
  run: declareRun,
  acquire: declareAcquire,
  extend: declareExtend,
  release: declareRelease,
  unlock: declareUnlock,
  ls: declareLs,
  show: declareShow,
  watch: declareWatch,
  stale: declareStale,
  status: declareStatus,
  doctor: declareDoctor,
  migrate: declareMigrate,
  demo: declareDemo,
  completion: declareCompletion,
}

/**
 * The command line: names, arguments, options, help. What a command does is loaded only when it is called, because hooks
 * and scripts pay for every millisecond of start-up.
 *
 * @param first the first word of the line: if it names a command, the others need not be declared
 */
export function createProgram(first: string = ''): Command {
  const program = new Command('holdfast')
    .description('Locks on named resources, for agents and people who share them.')
    .usage('<command> [options]')
    .version(packageVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .enablePositionalOptions()
    .showHelpAfterError("See 'holdfast --help'.")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'holdfast: ')) })
    .addHelpText('after', NOTES)
  takeSettings(program)
  const named = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined
  for (const declareIt of named === undefined ? Object.values(COMMANDS) : [named]) declareIt(program)
  return program
}

const NOTES = `
Examples:
${aligned([
  ['holdfast run src/main.ts -- npm run format', 'hold a file while a command runs'],
  ['holdfast acquire src/main.ts', 'hold it over several commands; prints a handle'],
  ['holdfast release src/main.ts', 'let go of it'],
  ['holdfast ls', 'what is locked, by whom, until when'],
])}

RESOURCE is an id such as port:5432 or state:order/42. Without a ':' it is a path, and becomes the id of that file in
its git working tree: src/main.ts is file:src/main.ts. 'src/**' is the folder src with all that is in it.

Settings come from flags, else from HOLDFAST_STORE, HOLDFAST_NAMESPACE and HOLDFAST_AGENT, else from the nearest
.holdfast.json upwards ({ "store": …, "namespace": …, "agent": … }). 'holdfast status' shows which, and from where.

Exit codes:
${aligned(EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning] as const))}`

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { SettingFlags } from './options.ts'
import { resolveSettings, type Settings } from './settings.ts'

/** A command line, and what it does. */
export type Example = readonly [line: string, effect: string]

export interface About {
  readonly summary: string
  /** More than fits into a line of the overview. */
  readonly details?: string
  readonly examples: readonly Example[]
}

const EXAMPLES = new WeakMap<Command, readonly Example[]>()

/** What a command's help ends with. */
export function examplesOf(command: Command): readonly Example[] {
  return EXAMPLES.get(command) ?? []
}

/** Adds a command to the program, with its help. */
export function declare(program: Command, name: string, about: About): Command {
  const { summary, details, examples } = about
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
  const command = program
    .command(name)
    .summary(summary)
    .description(details === undefined ? sentence : `${sentence} ${details}`)
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError(`See 'holdfast ${name} --help'.`)
    .addHelpText('after', `\nExamples:\n${aligned(examples)}`)
  EXAMPLES.set(command, examples)
  return command
}

/** The options that say which locks are meant, and who asks. */
export function takeSettings(command: Command, without?: 'agent'): Command {
  command
    .option('--store <url>', 'where the locks are (HOLDFAST_STORE; default: the embedded store)')
    .option('--namespace <name>', 'which locks of the store (HOLDFAST_NAMESPACE; default: default)')
  return without === 'agent'
    ? command
    : command.option('--agent <name>', 'who you are (HOLDFAST_AGENT; default: user@host:pid)')
}

/** How long a command waits in line. @param conflicts the names of options that say so as well */
export function takeWait(command: Command, ...conflicts: string[]): Command {
  const wait = new Option('--wait <duration>', "how long to wait: 10s, 5m, 'forever' (default: 10s)")
  const noWait = new Option('--no-wait', 'fail at once if it is not free')
  const given = new Set<Option>()
  for (const option of [wait, noWait]) {
    command.addOption(option.conflicts(conflicts)).on(`option:${option.name()}`, () => {
      // They are one value to the parser, which would let the last one win.
      if (given.add(option).size === 2) {
        command.error(`error: option '${wait.flags}' cannot be used with option '${noWait.flags}'`)
      }
    })
  }
  return command
}

export function takeJson(command: Command, what = 'print JSON'): Command {
  return command.option('--json', what)
}

/** What was given to the command counts before what was given to the program. */
export function settingsOf(command: Command, without?: 'agent'): Settings {
  const outer = command.parent?.opts<SettingFlags>() ?? {}
  const { agent, ...own } = command.opts<SettingFlags>()
  return resolveSettings({ ...outer, ...own, ...(without === 'agent' || agent === undefined ? {} : { agent }) })
}

/** An action gives the exit code of the process, or nothing for 0. */
export async function ending(code: Promise<number | void>): Promise<void> {
  process.exitCode = (await code) ?? 0
}

/** An option whose value is a whole number. */
export function countOption(flags: string, description: string, min: number, max: number): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`Use a whole number from ${min} to ${max}.`)
  })
}

/** Two columns, the first as wide as it must be. */
export function aligned(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`).join('\n')
}

import { CommanderError } from 'commander'
import { EXIT } from './exit-codes.ts'
import { exitCodeOf, report } from './failure.ts'
import { createProgram } from './program.ts'

/** What this program calls itself with, or a shell; no command of the user's. */
const HIDDEN: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  __complete: async (args) => (await import('./completion/complete.ts')).complete(args),
  '__demo-agent': async (args) => (await import('./demo/agent.ts')).demoAgent(args),
  __keep: async () => (await import('./keeper.ts')).keepForProcess(),
}

/** Runs the command line; the process ends by itself, with the right exit code. Never rejects. */
export async function start(args: readonly string[]): Promise<void> {
  endQuietlyWithTheReader()
  const [first = '', ...rest] = args
  const hidden = Object.hasOwn(HIDDEN, first) ? HIDDEN[first] : undefined
  try {
    await (hidden === undefined ? createProgram(first).parseAsync([...args], { from: 'user' }) : hidden(rest))
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    else {
      report(error)
      process.exitCode = exitCodeOf(error)
      if (process.exitCode === EXIT.usage) process.stderr.write(`See 'holdfast ${nameIn(args)}--help'.\n`)
    }
  }
}

/** The command that was called, followed by a space; nothing if none can be told. */
function nameIn(args: readonly string[]): string {
  const names = createProgram().commands.map((command) => command.name())
  const name = args.find((word) => names.includes(word))
  return name === undefined ? '' : `${name} `
}

/** `holdfast watch | head -1`: the reader has seen enough, and that is no failure. */
function endQuietlyWithTheReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok)
    throw error
  })
}

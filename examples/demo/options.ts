import { parseArgs } from 'node:util'

const HELP = `Usage: npm start [-- options]

Several agent processes edit the same files, first without locks, then with them; then the edits are counted.

  --agents N            agent processes, 2 to 12 (default 6)
  --edits N             edits of each agent, 1 to 1000 (default 50); the last agent is killed after half of them
  --without-locks-only  only the run without locks; the exit code then says whether it lost anything
  --keep                keep the folder with the edited files
  --help                this text

The exit code is 0 if every edit is there and every agent finished, else 1.`

export interface Options {
  readonly agents: number
  readonly edits: number
  readonly withoutLocksOnly: boolean
  readonly keep: boolean
}

/** Reads the command line; ends the process for `--help` and for what it does not understand. */
export function readOptions(): Options {
  try {
    return parse()
  } catch (error) {
    return end(2, `${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
  }
}

function parse(): Options {
  const { values } = parseArgs({
    options: {
      agents: { type: 'string', default: '6' },
      edits: { type: 'string', default: '50' },
      'without-locks-only': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) end(0, HELP)
  return {
    agents: readCount(values.agents, '--agents', 2, 12),
    edits: readCount(values.edits, '--edits', 1, 1000),
    withoutLocksOnly: values['without-locks-only'],
    keep: values.keep,
  }
}

function readCount(text: string, name: string, min: number, max: number): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= min && count <= max) return count
  throw new Error(`${name}: '${text}' is not a whole number from ${min} to ${max}.`)
}

function end(code: number, text: string): never {
  if (code === 0) console.log(text)
  else console.error(text)
  process.exit(code)
}

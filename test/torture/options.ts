import { parseArgs } from 'node:util'
import { FAULT_KINDS, type FaultKind } from './fault.ts'
import { STORES, type StoreName } from './ground.ts'

const HELP = `Usage: npm run torture -- --store STORE [options]

Starts a real store and worker processes that compete for its locks, makes things go wrong, and decides from what
everybody wrote down whether the locks did what they promise.

  --store STORE     ${STORES.join(' | ')}
  --minutes N       how long, also a fraction (default 10)
  --once            instead: until every fault has struck once
  --faults A,B      which kinds of faults (default: all that the store knows)
                    of processes: kill, pause
                    of a server:  restart, crash, flush, scripts, disconnect, pushes, stall, cut, partition, failover
                    of a file:    busy, torn
  --workers N       worker processes, 3 to 50 (default 6)
  --seed N          of the order of faults and of what workers do (default: another one each time)
  --report FILE     write the report there too, as Markdown
  --keep            keep the folder with the records
  --help            this text

Ctrl-C ends the run early; what has happened by then is judged. Ctrl-C again ends it at once.
The exit code is 0 if nothing was wrong, 1 if something was, 2 for a wrong option.`

/** What a run is told. */
export interface TortureOptions {
  readonly store: StoreName
  /** Null: every fault once. */
  readonly minutes: number | null
  /** Empty: all that the store knows. */
  readonly faults: readonly FaultKind[]
  readonly workers: number
  readonly seed: number
  readonly report: string | null
  readonly keep: boolean
}

/** What is to be printed instead of a run. */
export class NoRun extends Error {
  readonly code: 0 | 2

  constructor(code: 0 | 2, text: string) {
    super(text)
    this.code = code
  }
}

/** @throws NoRun for `--help`, and for what it does not understand. */
export function readOptions(args: readonly string[]): TortureOptions {
  try {
    return parse(args)
  } catch (error) {
    if (error instanceof NoRun) throw error
    throw new NoRun(2, `${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
  }
}

function parse(args: readonly string[]): TortureOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      store: { type: 'string' },
      minutes: { type: 'string' },
      once: { type: 'boolean', default: false },
      faults: { type: 'string', multiple: true, default: [] },
      workers: { type: 'string', default: '6' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      report: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) throw new NoRun(0, HELP)
  if (values.once && values.minutes !== undefined) throw new Error('--once and --minutes exclude each other.')
  return {
    store: readOneOf(STORES, '--store', values.store ?? ''),
    minutes: values.once ? null : readNumber(values.minutes ?? '10', '--minutes', 0.05, 10_000),
    faults: values.faults.flatMap((some) => some.split(',')).map((kind) => readOneOf(FAULT_KINDS, '--faults', kind)),
    workers: readWhole(values.workers, '--workers', 3, 50),
    seed: readWhole(values.seed, '--seed', 0, 4_294_967_295),
    report: values.report ?? null,
    keep: values.keep,
  }
}

function readOneOf<T extends string>(known: readonly T[], option: string, text: string): T {
  const found = known.find((each) => each === text)
  if (found === undefined) throw new Error(`${option}: '${text}' is not one of ${known.join(', ')}.`)
  return found
}

function readNumber(text: string, option: string, min: number, max: number): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= min && number <= max) return number
  throw new Error(`${option}: '${text}' is not a number from ${min} to ${max}.`)
}

function readWhole(text: string, option: string, min: number, max: number): number {
  if (/^\d+$/.test(text)) return readNumber(text, option, min, max)
  throw new Error(`${option}: '${text}' is not a whole number from ${min} to ${max}.`)
}

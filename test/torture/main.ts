/** `npm run torture`: a real store, real processes, real faults. */
import { writeFileSync } from 'node:fs'
import { NoRun, readOptions, type TortureOptions } from './options.ts'
import { reportOf } from './report.ts'
import { torture } from './run.ts'

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  const interrupted = new AbortController()
  const interrupt = (): void => {
    if (interrupted.signal.aborted) process.exit(130)
    say('Ending; Ctrl-C again ends at once.')
    interrupted.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  say(`${options.store}, ${length(options)}, ${options.workers} workers, seed ${options.seed}`)
  const outcome = await torture(options, { progress: say, signal: interrupted.signal })
  const report = reportOf(outcome)
  process.stdout.write(`\n${report}\n`)
  if (options.report !== null) writeFileSync(options.report, `${report.trimEnd()}\n`)
  if (outcome.folder !== null) say(`The records are in ${outcome.folder}`)
  return outcome.problems.length === 0 ? 0 : 1
}

function length({ minutes }: TortureOptions): string {
  return minutes === null ? 'every fault once' : `${minutes} minutes`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof NoRun)) throw error
  const stream = error.code === 0 ? process.stdout : process.stderr
  stream.write(`${error.message}\n`)
  process.exitCode = error.code
}

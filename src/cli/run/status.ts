import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Loss } from '../../core/model.ts'
import { UsageError } from '../failure.ts'

/** What became of a run. The first two are the command's own doing, the rest is ours. */
export type Outcome =
  | 'exited'
  | 'signaled'
  | 'not-found'
  | 'not-executable'
  | 'skipped'
  | 'busy'
  | 'timeout'
  | 'deadlock'
  | 'interrupted'
  | 'unreachable'
  | 'lost'
  | 'usage'
  | 'failed'

/** What is written into the status file. */
export interface Status {
  readonly outcome: Outcome
  /** Of `holdfast run`. */
  readonly exitCode: number
  /** What ended the command, or the waiting. */
  readonly signal?: NodeJS.Signals
  /** How the lease was lost. */
  readonly loss?: Loss
  /** What was said on stderr. */
  readonly message?: string
  readonly resources: readonly string[]
  readonly fence?: number
  readonly waitedMs: number
  readonly heldMs: number
}

/**
 * The file that tells our exit codes from the command's. It is there only once the run is over: one of an earlier run
 * is removed first, so that none means that `holdfast` itself was killed.
 */
export class StatusFile {
  readonly #path: string | undefined
  /** A pipe or a device is written to; a file is replaced, in one step. */
  readonly #isFile: boolean

  /** @throws UsageError if the path can be no such file */
  constructor(path: string | undefined) {
    this.#path = path
    this.#isFile = path === undefined || isFileOrNothing(path)
    if (path === undefined || !this.#isFile) return
    try {
      // Its place is tried out now: nothing has been run yet.
      writeFileSync(`${path}.${process.pid}`, '')
      rmSync(`${path}.${process.pid}`)
      rmSync(path, { force: true })
    } catch (cause) {
      throw new UsageError(`--status-file: ${path} cannot be written: ${(cause as Error).message}.`, { cause })
    }
  }

  /** @throws the system's error */
  write(status: Status): void {
    if (this.#path === undefined) return
    const text = `${JSON.stringify(status)}\n`
    const path = this.#isFile ? `${this.#path}.${process.pid}` : this.#path
    writeFileSync(path, text)
    if (this.#isFile) renameSync(path, this.#path)
  }
}

function isFileOrNothing(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new UsageError(`--status-file: ${path} is a folder.`)
  return found === undefined || found.isFile()
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Report } from '../faults/sqlite-process.ts'
import { root } from './repository.ts'

const PROGRAM = join(root, 'test/faults/sqlite-process.ts')

/** How a process is started. */
export interface Starting {
  /** A program, with its arguments, that starts Node: `unshare`, say. */
  readonly through?: readonly string[]
  readonly uid?: number
}

/** Another process that uses a lock file. */
export class LockFileProcess {
  readonly reports: Report[] = []
  /** What it has written to its standard error. */
  errors = ''
  readonly #child: ChildProcess

  constructor(role: string, file: string, { through = [], uid }: Starting = {}) {
    const [program, ...rest] = [...through, process.execPath, PROGRAM, role, file]
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'] as const
    this.#child = spawn(program, rest, { stdio: [...stdio], cwd: '/', ...(uid === undefined ? {} : { uid, gid: uid }) })
    this.#child.on('message', (report) => this.reports.push(report as Report))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()))
  }

  /** Resolves with the first report of a kind, also with one that has come already. */
  async says<Kind extends Report['says']>(kind: Kind): Promise<Extract<Report, { readonly says: Kind }>> {
    for (;;) {
      const found = this.reports.find((report) => report.says === kind)
      if (found !== undefined) return found as Extract<Report, { readonly says: Kind }>
      if (this.hasEnded)
        throw new Error(`the process ended without ${kind}: ${JSON.stringify(this.reports)} ${this.errors}`)
      await Promise.race([once(this.#child, 'message'), once(this.#child, 'exit')])
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Resolves with its exit code once it has ended. */
  async end(): Promise<number | null> {
    if (!this.hasEnded) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.hasEnded) return
    this.#child.kill(signal)
    if (signal === 'SIGKILL') await once(this.#child, 'exit')
  }
}

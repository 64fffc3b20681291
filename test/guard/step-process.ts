import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { forkForTest } from '../support/processes.ts'

/** How an update ended, and the calls that it made of the file system. */
export interface Updated {
  /** `written`, or the code of the error. */
  readonly outcome: string
  readonly steps: readonly string[]
}

/** What happens before a certain step: a halt, a crash, or a crash when half of the step is done. */
export type Mishap = 'SIGSTOP' | 'SIGKILL' | 'half' | 'none'

const PROGRAM = join(import.meta.dirname, 'step-program.ts')

/** A process that appends a word to a guarded file. */
export class StepProcess {
  readonly #child: ChildProcess
  readonly #updated: Promise<Updated | null>
  #hasEnded = false

  constructor(path: string, token: number, word: string, mishap: Mishap = 'none', before = 0, uid?: number) {
    const args = [path, String(token), word, mishap, String(before)]
    const user = uid === undefined ? {} : { uid, gid: uid }
    this.#child = forkForTest(PROGRAM, args, user)
    const child = this.#child
    this.#updated = new Promise((resolve) => {
      child.once('message', (message) => resolve(message as Updated))
      child.once('exit', () => {
        this.#hasEnded = true
        resolve(null)
      })
    })
  }

  /** Resolves once it stands still. */
  async stopped(): Promise<void> {
    while (stateOf(this.#child.pid ?? 0) !== 'T') {
      if (this.#hasEnded) throw new Error('The process has ended, and was to stop.')
      await sleep(5)
    }
  }

  /** Lets it go on, and resolves with how its update ended. */
  async goOn(): Promise<Updated> {
    this.#child.kill('SIGCONT')
    return this.updated()
  }

  async updated(): Promise<Updated> {
    const updated = await this.#updated
    if (updated === null) throw new Error('The process has ended without a word.')
    return updated
  }

  /** Resolves once it has died. */
  async died(): Promise<void> {
    if (!this.#hasEnded) await once(this.#child, 'exit')
  }
}

function stateOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

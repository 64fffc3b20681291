import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duration } from '../../src/core/time/duration.ts'
import { forkForTest } from '../support/processes.ts'

/** What a holder is told to do. */
export type HolderTask =
  | { readonly do: 'append'; readonly timeout: Duration; readonly isGuarded: boolean; readonly word: string }
  | { readonly do: 'go on' }

/** What a holder says: that it has read and waits, and how its change ended. */
export type HolderReport =
  | { readonly said: 'read' }
  | { readonly said: 'done'; readonly outcome: string; readonly isHeld: boolean }

const PROGRAM = join(import.meta.dirname, 'holder-program.ts')

/** Another process that locks, reads, and when it is told writes. */
export class HolderProcess {
  readonly #child: ChildProcess
  readonly #reports: HolderReport[] = []

  constructor(file: string, kind: string, address: string) {
    this.#child = forkForTest(PROGRAM, [file, kind, address])
    this.#child.on('message', (report) => this.#reports.push(report as HolderReport))
  }

  tell(task: HolderTask): void {
    this.#child.send(task)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves with the report of this kind, also if it has come already. */
  async says<Said extends HolderReport['said']>(said: Said): Promise<Extract<HolderReport, { readonly said: Said }>> {
    for (;;) {
      const report = this.#reports.find((each) => each.said === said)
      if (report !== undefined) return report as Extract<HolderReport, { readonly said: Said }>
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error(`It ended without ${said}.`)
      await Promise.race([once(this.#child, 'message'), once(this.#child, 'exit')])
    }
  }
}

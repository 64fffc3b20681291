import { constants } from 'node:os'
import { Failure } from '../failure.ts'
import type { Command } from './command.ts'

/** Sent by people, terminals and supervisors to end something. */
const ENDING = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const
const OTHERS = ['SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const
/** Ctrl-Z, and what a background job gets that wants the terminal. */
const STOPPING = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const

/** What the terminal has already sent to the command, which is in the same foreground job. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGCONT']

/** The wait was ended by a signal. */
export class Interruption extends Failure {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal} while waiting`, exitCodeOfSignal(signal))
    this.signal = signal
  }
}

/** As shells say it: 128 + n. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

interface Receiver {
  readonly command: Command
  readonly onTerminal: () => boolean
  readonly onContinued: () => void
}

/**
 * The signals that we get. While we wait, those that end something end the waiting; a second one does not wait for the
 * store to be told. While the command runs they are the command's.
 */
export class Signals {
  readonly #waiting = new AbortController()
  #receiver: Receiver | undefined
  #isOver = false

  constructor() {
    for (const signal of [...ENDING, ...OTHERS]) process.on(signal, this.#on)
    for (const signal of STOPPING) process.on(signal, this.#onStop)
  }

  /** Aborts with an {@link Interruption}. */
  get interrupted(): AbortSignal {
    return this.#waiting.signal
  }

  /**
   * From now on signals go to a command.
   *
   * On a terminal, Ctrl-C, Ctrl-\ and the continuing of a stopped job have reached it already, and so has the SIGHUP of
   * a terminal that is gone: a second one would tell many programs to drop everything. So SIGINT and SIGQUIT that
   * somebody sends to us alone there do not reach it; SIGTERM does. Without a terminal all of them are handed on.
   */
  sendTo(receiver: Receiver): void {
    this.#receiver = receiver
  }

  /** The command has ended, and what is left to do is short: signals change nothing any more. */
  finish(): void {
    this.#isOver = true
  }

  /** Leaves the signals to the system again. */
  close(): void {
    for (const signal of [...ENDING, ...OTHERS]) process.off(signal, this.#on)
    for (const signal of STOPPING) process.off(signal, this.#onStop)
  }

  readonly #on = (signal: NodeJS.Signals): void => {
    if (this.#isOver) return
    if (this.#receiver !== undefined) this.#handOn(signal, this.#receiver)
    else if (!ENDING.some((each) => each === signal)) return
    else if (this.#waiting.signal.aborted) process.exit(exitCodeOfSignal(signal))
    else this.#waiting.abort(new Interruption(signal))
  }

  #handOn(signal: NodeJS.Signals, { command, onTerminal, onContinued }: Receiver): void {
    if (signal === 'SIGCONT') onContinued()
    if (command.group === undefined && (FROM_TERMINAL.includes(signal) || (signal === 'SIGHUP' && !onTerminal())))
      return
    command.forward(signal)
  }

  /**
   * Stops us, as it stops the command: so the shell sees the job stopped. Not left to the system, because that would
   * stop us in the middle of a transaction as well, and nobody else could use an embedded store until we go on.
   * (SIGSTOP, which nobody can catch, may do that.)
   */
  readonly #onStop = (signal: NodeJS.Signals): void => {
    const command = this.#receiver?.command
    if (command?.group === undefined) {
      process.off(signal, this.#onStop)
      process.kill(process.pid, signal)
      process.on(signal, this.#onStop)
      return
    }
    // Nobody watches jobs where there is no terminal, and there the system ignores all of these but SIGSTOP.
    command.forward('SIGSTOP')
    process.kill(process.pid, 'SIGSTOP')
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import type { Line } from './plan.ts'
import { membersOf, type Origin, type Process, readProcesses } from './process-table.ts'

/** How a command ended, or why it did not start. */
export type CommandEnd =
  | { readonly type: 'exited'; readonly code: number }
  | { readonly type: 'signaled'; readonly signal: NodeJS.Signals }
  | { readonly type: 'not-found' | 'not-executable'; readonly error: NodeJS.ErrnoException }

export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv
  /** Something in `env` by which all that the command starts can be found. */
  readonly mark: string
  /** Whether there is a controlling terminal. */
  readonly onTerminal: boolean
}

const AGAIN_MS = 20

/**
 * A command that runs, with all that it has started. stdin, stdout and stderr are its own, and there is no shell.
 *
 * **Without a terminal** it is a session and a process group of its own, so that one signal reaches all of it.
 *
 * **On a terminal** it must stay in our process group: only that is the terminal's foreground job, and a session of its
 * own would have no terminal at all. So Ctrl-C, Ctrl-Z and the window's size reach it from the terminal, and a
 * full-screen program draws and reads as without us. What it has started is found one by one, because the group is
 * also ours, and may be that of our neighbours in a pipeline.
 */
export class Command {
  readonly ended: Promise<CommandEnd>
  readonly #child: ChildProcess | undefined
  readonly #options: CommandOptions
  #isOver = false

  constructor([program, ...args]: Line, options: CommandOptions) {
    this.#options = options
    try {
      this.#child = spawn(program, args, { stdio: 'inherit', env: options.env, detached: this.#hasOwnGroup })
    } catch (error) {
      // Node throws some of the system's errors, and reports others by an event.
      this.ended = Promise.resolve(notStarted(error as NodeJS.ErrnoException))
      return
    }
    const child = this.#child
    this.ended = new Promise<CommandEnd>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) resolve(notStarted(error))
      })
      child.once('exit', (code, signal) => {
        this.#isOver = true
        resolve(signal === null ? { type: 'exited', code: code ?? 1 } : { type: 'signaled', signal })
      })
    })
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The process group of the command, if it has one to itself. */
  get group(): number | undefined {
    return this.#hasOwnGroup ? this.pid : undefined
  }

  /**
   * Hands on a signal that was sent to us. Without a terminal the whole group gets it: whoever meant us and what we
   * have started, as a shell or an agent does that signals its child's group, can no longer reach it there himself.
   *
   * What nohup(1) does is not handed on: Node starts with every signal at its default. setsid(1) serves.
   */
  forward(signal: NodeJS.Signals): void {
    if (this.group !== undefined) send(-this.group, signal)
    else if (!this.#isOver) this.#child?.kill(signal)
  }

  /** Signals the command and all that it has started, each once. */
  signalAll(signal: NodeJS.Signals): void {
    // Looked up first: the ties of those that the first signal ends are gone afterwards.
    const members = this.#members()
    this.forward(signal)
    for (const { pid, group } of members) if (group !== this.group && pid !== this.pid) send(pid, signal)
  }

  /** Kills the command and all that it has started, until nothing of it is left; `withinMs` at the longest. */
  async killAll(withinMs: number): Promise<void> {
    const untilMs = performance.now() + withinMs
    do {
      // Again and again: one that is being started while we look is not seen.
      this.signalAll('SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    } while (!this.isGone && performance.now() < untilMs)
  }

  /** Whether the command and all that it has started has ended. */
  get isGone(): boolean {
    return (this.#isOver || this.pid === undefined) && this.#members().length === 0
  }

  get #hasOwnGroup(): boolean {
    // Windows knows neither groups nor sessions, and opens a window for what is detached.
    return !this.#options.onTerminal && process.platform !== 'win32'
  }

  #members(): readonly Process[] {
    const { pid, group } = this
    if (pid === undefined) return []
    const origin: Origin = { ...(this.#isOver ? {} : { pid }), ...(group === undefined ? {} : { group }) }
    return membersOf(readProcesses(this.#options.mark), origin)
  }
}

function notStarted(error: NodeJS.ErrnoException): CommandEnd {
  // The second: no program can be called like that, such as by an empty name.
  const isMissing = error.code === 'ENOENT' || error.code === 'ERR_INVALID_ARG_VALUE'
  return { type: isMissing ? 'not-found' : 'not-executable', error }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile, or is another user's (sudo), which nobody but the system can prevent.
  }
}

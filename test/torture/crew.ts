import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Data } from './data.ts'
import { type Assignment, type DataRequest, nowMs, type Reply, type Said } from './protocol.ts'

const PROGRAM = join(import.meta.dirname, 'worker.ts')

/** What a worker is about at this moment. */
export interface Doing {
  readonly state: 'starts' | 'asks' | 'waits' | 'holds' | 'rests'
  readonly resource: string
  readonly since: number
}

/** A worker as its files are judged by. */
export interface Life {
  readonly name: string
  readonly file: string
  /** When it was killed, if it was. */
  readonly killedAt: number | null
  /** When it stood still. */
  readonly pauses: readonly Span[]
}

/** Some time, in milliseconds of the monotonic clock. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** A process that works under locks, and what is known of it. */
export class Worker {
  readonly assignment: Assignment
  readonly #child: ChildProcess
  readonly #data: Data
  readonly #exited: Promise<unknown>
  #doing: Doing = { state: 'starts', resource: '', since: nowMs() }
  readonly #pauses: Span[] = []
  #frozenAt: number | null = null
  #killedAt: number | null = null
  /** Called with each of its data requests; true: it is answered only after {@link answerHeld}. */
  #trap: ((request: DataRequest) => boolean) | undefined
  #held: Reply | undefined
  #failure: string | undefined

  constructor(assignment: Assignment, data: Data) {
    this.assignment = assignment
    this.#data = data
    const child = fork(PROGRAM, [JSON.stringify(assignment)], { execArgv: [] })
    this.#child = child
    this.#exited = once(child, 'exit').then(() => this.#onExit())
    child.on('message', (said: Said) => this.#hear(said))
    // It may be killed while something is being said to it.
    child.on('error', () => {})
  }

  get doing(): Doing {
    return this.#doing
  }

  get life(): Life {
    return { name: this.assignment.name, file: this.assignment.file, killedAt: this.#killedAt, pauses: this.#pauses }
  }

  /** Why it ended, if it ended by itself and should not have. */
  get failure(): string | undefined {
    return this.#failure
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  get exited(): Promise<unknown> {
    return this.#exited
  }

  /** Lets it finish what it is doing. */
  stop(): void {
    this.#tell({ tells: 'stop' })
  }

  freeze(): void {
    this.#frozenAt ??= nowMs()
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
    if (this.#frozenAt !== null) this.#pauses.push({ from: this.#frozenAt, to: nowMs() })
    this.#frozenAt = null
  }

  async kill(): Promise<void> {
    this.#killedAt = nowMs()
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Stops it when it has read some data under its lock, before it knows what, if that is wanted then. */
  trapRead(data: string, isWanted: () => boolean): void {
    this.#trap = (request) => {
      if (request.asks !== 'read' || request.data !== data || !isWanted()) return false
      this.freeze()
      return true
    }
  }

  clearTrap(): void {
    this.#trap = undefined
  }

  /** Answers what it was frozen at, and lets it go on. */
  answerHeld(): void {
    this.thaw()
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#tell(held)
  }

  #hear(said: Said): void {
    switch (said.says) {
      case 'call':
        return this.#answer(said.call, said.request)
      case 'failed':
        this.#failure = said.error
        return
      case 'ready':
      case 'rests':
        this.#doing = { state: 'rests', resource: '', since: nowMs() }
        return
      case 'asks':
      case 'waits':
      case 'holds':
        this.#doing = { state: said.says, resource: said.resource, since: nowMs() }
    }
  }

  #answer(call: number, request: DataRequest): void {
    const value = this.#data.answer(this.assignment.name, request)
    const reply: Reply = { tells: 'reply', call, value }
    if (this.#trap?.(request) === true) this.#held = reply
    else this.#tell(reply)
  }

  #tell(message: Reply | { readonly tells: 'stop' }): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #onExit(): void {
    if (this.#killedAt !== null || this.#child.exitCode === 0) return
    this.#failure ??= `it ended with ${this.#child.exitCode ?? this.#child.signalCode}`
  }
}

/** How workers are made. */
export interface CrewOptions extends Omit<Assignment, 'name' | 'file'> {
  readonly workers: number
  readonly folder: string
}

/** The workers of a run; whoever is killed is followed by a new one. */
export class Crew {
  readonly #options: CrewOptions
  readonly #data: Data
  readonly #everyone: Worker[] = []

  constructor(options: CrewOptions, data: Data) {
    this.#options = options
    this.#data = data
  }

  /** Those that have not been killed. */
  get alive(): readonly Worker[] {
    return this.#everyone.filter((worker) => !worker.hasEnded)
  }

  get lives(): readonly Life[] {
    return this.#everyone.map(({ life }) => life)
  }

  /** What workers should not have ended with. */
  get failures(): readonly string[] {
    return this.#everyone.flatMap(({ failure, assignment }) =>
      failure === undefined ? [] : [`${assignment.name}: ${failure}`],
    )
  }

  /** Brings it to its full number. */
  fill(): void {
    for (let missing = this.#options.workers - this.alive.length; missing > 0; missing -= 1) {
      const name = `w${this.#everyone.length + 1}`
      const { workers: _workers, folder, ...rest } = this.#options
      const seed = rest.seed + this.#everyone.length * 7919
      this.#everyone.push(new Worker({ ...rest, name, seed, file: join(folder, `${name}.jsonl`) }, this.#data))
    }
  }

  /** Those that stand in line for a resource, in the order in which they said so. */
  lineFor(resource: string): readonly Worker[] {
    return this.alive
      .filter(({ doing }) => doing.state === 'waits' && doing.resource === resource)
      .toSorted((a, b) => a.doing.since - b.doing.since)
  }

  holderOf(resource: string): Worker | undefined {
    return this.alive.find(({ doing }) => doing.state === 'holds' && doing.resource === resource)
  }

  /** Lets everybody finish. Returns who did not in time; they are killed. */
  async stop(deadlineMs: number): Promise<readonly Worker[]> {
    const left = this.alive
    for (const worker of left) worker.stop()
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise((resolve) => (timer = setTimeout(resolve, deadlineMs)))
    await Promise.race([Promise.all(left.map(({ exited }) => exited)), overdue])
    clearTimeout(timer)
    const stuck = left.filter(({ hasEnded }) => !hasEnded)
    await this.kill()
    return stuck
  }

  /** Ends everybody at once. */
  async kill(): Promise<void> {
    await Promise.all(this.alive.map((worker) => worker.kill()))
  }
}

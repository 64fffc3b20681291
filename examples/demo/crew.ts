import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Edit } from './edit.ts'
import { type Assignment, GO, type Report } from './protocol.ts'

const AGENT = join(import.meta.dirname, 'agent.ts')

/** Without a report from anybody for this long, the agents are given up. */
const PATIENCE_MS = 20_000

export type State = 'starting' | 'waiting' | 'editing' | 'finished' | 'killed' | 'failed'

/** One agent, as the demo sees it. */
export interface Member {
  readonly agentId: string
  /** How many edits it shall make. */
  readonly planned: number
  readonly state: State
  /** The edits that it has reported as done. */
  readonly made: readonly Edit[]
  /** What it waits for or works on. */
  readonly current: Edit | undefined
  /** Why it has failed. */
  readonly problem: string
}

/** The agent processes of one run. */
export class Crew implements AsyncDisposable {
  readonly #agents: readonly Agent[]
  readonly #onKilled: (member: Member) => void
  #lastReportAt = performance.now()
  #startedAt = 0
  #tookMs = 0

  /** @param onKilled told after an agent that was stuck has been killed */
  constructor(assignments: readonly Assignment[], onKilled: (member: Member) => void) {
    this.#onKilled = onKilled
    this.#agents = assignments.map((assignment) => new Agent(assignment, (agent) => this.#onReport(agent)))
  }

  get members(): readonly Member[] {
    return this.#agents
  }

  /** From the common start to the end of the last one. */
  get tookMs(): number {
    return this.#tookMs
  }

  /** Resolves when every agent has ended, however it ended. */
  async run(signal: AbortSignal): Promise<void> {
    const killAll = (): void => this.#killAll('the demo was stopped')
    signal.addEventListener('abort', killAll)
    if (signal.aborted) killAll()
    const watchdog = setInterval(() => {
      if (performance.now() - this.#lastReportAt > PATIENCE_MS) this.#killAll('nobody made progress any more')
    }, 1_000)
    const ends = this.#agents.map(async (agent) => {
      await agent.ended
      // The others wait for the common start: they would wait for ever.
      if (this.#startedAt === 0) this.#killAll('not everybody could start')
    })
    await Promise.all(ends)
    this.#tookMs = performance.now() - this.#startedAt
    clearInterval(watchdog)
    signal.removeEventListener('abort', killAll)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#killAll('the demo was stopped')
    await Promise.all(this.#agents.map((agent) => agent.ended))
  }

  #onReport(agent: Agent): void {
    this.#lastReportAt = performance.now()
    if (agent.isStuck) {
      agent.kill('killed')
      this.#onKilled(agent)
    }
    if (this.#startedAt === 0 && this.#agents.every((each) => each.isReady)) {
      this.#startedAt = performance.now()
      for (const each of this.#agents) each.go()
    }
  }

  #killAll(problem: string): void {
    for (const agent of this.#agents) agent.kill('failed', problem)
  }
}

/** One agent process and what it has reported. */
class Agent implements Member {
  readonly agentId: string
  readonly planned: number
  readonly made: Edit[] = []
  readonly ended: Promise<void>
  state: State = 'starting'
  current: Edit | undefined
  problem = ''
  isReady = false
  isStuck = false
  readonly #child: ChildProcess

  constructor(assignment: Assignment, onReport: (agent: Agent) => void) {
    this.agentId = assignment.agentId
    this.planned = assignment.edits
    this.#child = fork(AGENT, [JSON.stringify(assignment)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let complaint = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint += text
    })
    this.#child.on('message', (report) => {
      this.#note(report as Report)
      onReport(this)
    })
    this.ended = new Promise((resolve) => {
      // Not 'exit': the last reports may still be under way then.
      this.#child.once('close', (code, signal) => {
        this.#noteEnd(complaint.trim() || `it ended with ${signal ?? `code ${code}`}`)
        resolve()
      })
      this.#child.once('error', (error) => {
        this.#noteEnd(error.message)
        if (this.#child.pid === undefined) resolve()
      })
    })
  }

  go(): void {
    if (this.#child.connected) this.#child.send(GO)
  }

  kill(state: 'killed' | 'failed', problem = ''): void {
    if (this.#hasEnded()) return
    this.state = state
    this.problem = problem
    this.#child.kill('SIGKILL')
  }

  #note(report: Report): void {
    switch (report.type) {
      case 'ready':
        this.isReady = true
        break
      case 'asking':
        this.#work('waiting', report.edit)
        break
      case 'editing':
        this.#work('editing', report.edit)
        break
      case 'done':
        // Also from one that has been killed meanwhile: done is done.
        this.made.push(report.edit)
        break
      case 'stuck':
        this.isStuck = true
        break
      case 'finished':
        if (!this.#hasEnded()) this.state = 'finished'
        break
    }
  }

  #work(state: 'waiting' | 'editing', edit: Edit): void {
    if (this.#hasEnded()) return
    this.state = state
    this.current = edit
  }

  #noteEnd(problem: string): void {
    if (this.#hasEnded()) return
    this.state = 'failed'
    this.problem = problem
  }

  #hasEnded(): boolean {
    return this.state === 'finished' || this.state === 'killed' || this.state === 'failed'
  }
}

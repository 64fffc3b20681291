import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { Crew } from './crew.ts'
import { Data } from './data.ts'
import type { Fault, Injection, Scene } from './fault.ts'
import { type Ground, openGround } from './ground.ts'
import { judge, type Judgement } from './judgement.ts'
import { Ledger } from './ledger.ts'
import { Nemesis } from './nemesis.ts'
import { NoRun, type TortureOptions } from './options.ts'
import { processFaults } from './process-faults.ts'
import { nowMs, RESOURCES } from './protocol.ts'
import { readRecords } from './recording.ts'

/** Short, so that much happens in little time. */
const LEASE_MS = 1_000
const HEARTBEAT_MS = 250
const DEAD_MS = 3 * HEARTBEAT_MS

const NAMESPACE = 'default'

/** In the end every worker must get what it still waits for, and everything must be free. */
const END_MS = 60_000

/** What a run came to. */
export interface Outcome {
  readonly options: TortureOptions
  readonly description: string
  readonly ranMs: number
  readonly wasInterrupted: boolean
  readonly workersStarted: number
  readonly injections: readonly Injection[]
  readonly data: Data
  readonly judgement: Judgement
  readonly events: number
  /** How often the log had been cut, because the store had lost it. */
  readonly gaps: number
  /** What is wrong, in words; nothing: all is well. */
  readonly problems: readonly string[]
  /** Where the records are, if they were kept. */
  readonly folder: string | null
}

/** How a run is watched and ended. */
export interface RunControls {
  readonly progress: (line: string) => void
  /** Ends the run early. */
  readonly signal: AbortSignal
}

/**
 * A whole run, from the start of the store to the judgement. Nothing of it is left, unless it is to be kept.
 *
 * @throws NoRun for a fault that the store does not know
 */
export async function torture(options: TortureOptions, controls: RunControls): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-torture-'))
  let ground: Ground | undefined
  let ledger: Ledger | undefined
  try {
    ground = await openGround(options.store, folder)
    const faults = chosen(ground, options)
    ledger = await Ledger.open(ground.runnerUrl, NAMESPACE)
    return await new Run(options, folder, ground, ledger).go(faults, controls)
  } finally {
    await ledger?.close()
    await ground?.stop()
    if (!options.keep) rmSync(folder, { recursive: true, force: true })
  }
}

class Run {
  readonly #options: TortureOptions
  readonly #folder: string
  readonly #ground: Ground
  readonly #ledger: Ledger
  readonly #data = new Data()
  readonly #crew: Crew
  readonly #from = nowMs()

  constructor(options: TortureOptions, folder: string, ground: Ground, ledger: Ledger) {
    this.#options = options
    this.#folder = folder
    this.#ground = ground
    this.#ledger = ledger
    const { workers, seed } = options
    const about = { store: ground.workerUrl, namespace: NAMESPACE, leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS }
    this.#crew = new Crew({ ...about, workers, seed, folder }, this.#data)
  }

  async go(faults: readonly Fault[], { progress, signal }: RunControls): Promise<Outcome> {
    const { minutes, seed } = this.#options
    const timeIsUp = new AbortController()
    const isOver = AbortSignal.any([signal, timeIsUp.signal])
    const timer = minutes === null ? undefined : setTimeout(() => timeIsUp.abort(), minutes * 60_000)
    const [crew, data] = [this.#crew, this.#data]
    const scene: Scene = { crew, data, random: new Random(seed), leaseMs: LEASE_MS, signal: isOver }
    const nemesis = new Nemesis(faults, scene)
    try {
      crew.fill()
      await nemesis.run({ once: minutes === null, onInjection: (injection) => progress(this.#lineOf(injection)) })
      const problems = [...nemesis.problems, ...(await finish(crew, this.#ledger))]
      return this.#judge(nemesis.injections, problems, signal.aborted)
    } finally {
      clearTimeout(timer)
      await crew.kill()
    }
  }

  #lineOf({ name, what, recoveredMs }: Injection): string {
    const { guarded, careless } = this.#data
    const seconds = ((nowMs() - this.#from) / 1_000).toFixed(1).padStart(6)
    const writes = `${guarded.writes} guarded writes, ${guarded.lost} lost; ${careless.writes} careless, ${careless.lost} lost`
    return `${seconds} s  ${name}: ${what}; next grants after ${Math.round(recoveredMs)} ms. ${writes}.`
  }

  #judge(injections: readonly Injection[], soFar: readonly string[], wasInterrupted: boolean): Outcome {
    const endedAt = nowMs()
    const { lives, failures } = this.#crew
    const bounds = { leaseMs: LEASE_MS, deadMs: DEAD_MS, endedAt }
    const records = lives.flatMap((life) => readRecords(life, bounds, this.#ledger.grants))
    const judgement = judge(records, { lives, injections, abandoned: this.#ledger.abandoned, deadMs: DEAD_MS })
    return {
      options: this.#options,
      description: this.#ground.description,
      ranMs: endedAt - this.#from,
      wasInterrupted,
      workersStarted: lives.length,
      injections,
      data: this.#data,
      judgement,
      events: this.#ledger.events,
      gaps: this.#ledger.gaps,
      problems: [...soFar, ...failures, ...problemsOf(judgement, this.#data, this.#ledger, injections)],
      folder: this.#options.keep ? this.#folder : null,
    }
  }
}

function chosen(ground: Ground, { faults, store }: TortureOptions): readonly Fault[] {
  const known = [...processFaults, ...ground.faults]
  const kinds = new Set(known.map(({ kind }) => kind))
  const unknown = faults.find((kind) => !kinds.has(kind))
  if (unknown !== undefined) {
    throw new NoRun(2, `--faults: ${store} knows no fault ${unknown}: known are ${[...kinds].join(', ')}.`)
  }
  return faults.length === 0 ? known : known.filter(({ kind }) => faults.includes(kind))
}

/** Nothing goes wrong any more: everybody must be served, and nothing be left. */
async function finish(crew: Crew, ledger: Ledger): Promise<readonly string[]> {
  const stuck = await crew.stop(END_MS)
  const problems = stuck.map(
    ({ assignment, doing }) => `${assignment.name} still ${doing.state} (${doing.resource}) after ${END_MS / 1_000} s`,
  )
  try {
    await ledger.lockAll([...new Set(Object.values(RESOURCES))], END_MS)
  } catch (error) {
    problems.push(`In the end not everything could be locked: ${String(error)}`)
  }
  return problems
}

function problemsOf(
  { verdict, fallingTokens }: Judgement,
  { guarded, set }: Data,
  ledger: Ledger,
  injections: readonly Injection[],
): readonly string[] {
  const problems = [...fallingTokens]
  if (verdict.verdict === 'unexplained') problems.push(verdict.report)
  if (verdict.verdict === 'undecided')
    problems.push('The history is too hard to judge: nobody knows whether it is right.')
  if (guarded.lost + set.lost > 0)
    problems.push(`${guarded.lost + set.lost} updates were lost although they were guarded.`)
  const { misplaced } = set
  if (misplaced.length > 0) problems.push(`The set has lost or doubled ${misplaced.slice(0, 10).join(', ')}.`)
  // A store that lost its data may grant again what its log still calls held.
  if (!injections.some(({ losesData }) => losesData)) problems.push(...ledger.problems)
  return problems
}

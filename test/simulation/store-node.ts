import type { Answer, Batch, Message } from '../../src/core/store.ts'
import type { TableStorage } from '../../src/core/table/storage.ts'
import { type Applied, applyBatch } from '../../src/core/table/table.ts'
import type { Surroundings } from '../../src/core/table/turn.ts'
import { MemoryStorage } from '../../src/stores/memory/storage.ts'
import { ObservedStorage } from './observed-storage.ts'
import type { Plan } from './plan.ts'
import type { Referee } from './referee.ts'
import type { Timeline } from './timeline.ts'

/** How a batch is executed; in the proof that the simulation can fail, by something that breaks a rule. */
export type Table = (storage: TableStorage, batch: Batch, surroundings: Surroundings) => Applied

export const realTable: Table = applyBatch

interface Command {
  readonly sequence: number
  readonly batch: Batch
  readonly at: number
  readonly now: number
  readonly wallNow: number
}

/** An answer, and which execution it came from. */
export interface Executed {
  readonly answer: Answer
  /** Number of the execution that gave it, counted over the whole simulation: of a repeated batch that of the first. */
  readonly sequence: number
  readonly posts: ReadonlyMap<string, readonly Message[]>
  readonly logged: boolean
}

const WALL_MS = 1_700_000_000_000
const PREVIOUS = { previous: 40, previousMs: 20_000 } as const

/** The store: the lock table over rows in memory, on clocks of its own; it can be down, lose its rows, or go back. */
export class StoreNode {
  isUp = true
  sequence = 0
  /** The first execution since the rows were last lost. */
  lostSince = 0
  /** The first execution since the rows last went back. */
  backSince = 0
  /** The first execution since the lease clock was last moved. */
  movedSince = 0
  readonly #timeline: Timeline
  readonly #referee: Referee
  readonly #table: Table
  readonly #plan: Pick<Plan, 'budget' | 'loggedEvents'>
  readonly #origins = new WeakMap<Answer, number>()
  #storage: TableStorage
  #epoch = 1
  #commands: Command[] = []
  #leaseOffsetMs = 1_000
  #wallOffsetMs = WALL_MS

  constructor(timeline: Timeline, referee: Referee, table: Table, plan: Pick<Plan, 'budget' | 'loggedEvents'>) {
    this.#timeline = timeline
    this.#referee = referee
    this.#table = table
    this.#plan = plan
    this.#storage = this.#newStorage()
  }

  get now(): number {
    return Math.floor(this.#timeline.now + this.#leaseOffsetMs)
  }

  get wallNow(): number {
    return Math.floor(this.#timeline.now + this.#wallOffsetMs)
  }

  /** @throws InvalidRequestError as the table does */
  execute(batch: Batch): Executed {
    this.sequence += 1
    const command = { sequence: this.sequence, batch, at: this.#timeline.now, now: this.now, wallNow: this.wallNow }
    const { answer, posts, logged } = this.#run(command)
    this.#commands.push(command)
    return { answer, posts, logged, sequence: this.#origins.get(answer) ?? this.sequence }
  }

  /** All rows are gone, and the namespace is made anew. */
  loseData(): void {
    this.#epoch += 1
    this.#commands = []
    this.#referee.reset()
    this.#storage = this.#newStorage()
    this.lostSince = this.sequence + 1
  }

  /** The rows are again what they were some time ago. The table is deterministic: what was done until then is done anew. */
  goBack(byMs: number): void {
    const until = this.#timeline.now - byMs
    this.#commands = this.#commands.filter(({ at }) => at <= until)
    this.#referee.reset()
    this.#storage = this.#newStorage()
    this.#referee.replay(() => {
      for (const command of this.#commands) this.#run(command)
    })
    this.#referee.rows.now = this.now
    this.backSince = this.sequence + 1
  }

  stepWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  moveLeaseClock(ms: number): void {
    this.#leaseOffsetMs += ms
    this.movedSince = this.sequence + 1
  }

  #run({ sequence, batch, now, wallNow }: Command): Applied {
    this.#referee.begin(batch, now, wallNow, this.#epochText)
    try {
      const applied = this.#table(this.#storage, batch, {
        now,
        wallNow,
        limits: { ...PREVIOUS, events: this.#plan.loggedEvents },
        // The rules do not depend on what the hash is, and this one costs nothing.
        hash: (token) => token,
        ...(this.#plan.budget === null ? {} : { budget: this.#plan.budget }),
      })
      this.#referee.end(applied.answer)
      if (!this.#origins.has(applied.answer)) this.#origins.set(applied.answer, sequence)
      return applied
    } catch (error) {
      this.#referee.refused()
      throw error
    }
  }

  get #epochText(): string {
    return String(this.#epoch).padStart(32, '0')
  }

  #newStorage(): TableStorage {
    return new ObservedStorage(new MemoryStorage(this.#epochText), this.#referee)
  }
}

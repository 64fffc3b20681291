import type { Lock } from '../../src/core/lock/lock.ts'
import type { Batch } from '../../src/core/store.ts'
import { Beliefs } from './beliefs.ts'
import { Client } from './client.ts'
import { checkCounters } from './counters.ts'
import { dice } from './dice.ts'
import { Exchange } from './exchange.ts'
import { Narrator, faultText } from './narration.ts'
import { type Fault, LONGEST_LEASE_MS, type Plan } from './plan.ts'
import { Referee } from './referee.ts'
import { type Executed, realTable, StoreNode, type Table } from './store-node.ts'
import { Timeline } from './timeline.ts'
import { Trace } from './trace.ts'
import { Verdict, type Violation } from './verdict.ts'
import { watchLog } from './watcher.ts'
import { Weather } from './weather.ts'
import { Workload } from './workload.ts'

export interface SimulationOptions {
  /** Default: the real one. */
  readonly table?: Table
  /** How many lines of the trace are kept. Default 0. */
  readonly keep?: number
}

export interface Result {
  readonly violation: Violation | undefined
  /** Fingerprint of all that happened. */
  readonly hash: string
  readonly lines: readonly string[]
  readonly happened: number
  readonly executions: number
  readonly acquired: number
  /** How the calls ended. */
  readonly ends: ReadonlyMap<string, number>
}

/** By so much at most a handle ends before its lease, the way to the store included. */
const LET_GO_MS = LONGEST_LEASE_MS / 100 + 1_000

/** Once nothing goes wrong any more, all calls have ended by then. */
const SERVED_WITHIN_MS = 900_000

/** More than this happens only where something runs in circles. */
const MOST_EVENTS = 300_000

/** Beyond the longest lease: the time of a dead session, and the steps on the way. */
const GONE_WITHIN_MS = LONGEST_LEASE_MS + 20_000

/** Plays a plan: the same plan gives the same history, whatever the machine does meanwhile. */
export async function simulate(plan: Plan, options: SimulationOptions = {}): Promise<Result> {
  const simulation = new Simulation(plan, options)
  const onRejection = (error: unknown): void => simulation.verdict.fail('crash', `unhandled: ${String(error)}`)
  process.on('unhandledRejection', onRejection)
  try {
    return await simulation.run()
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

class Simulation {
  readonly verdict: Verdict
  readonly #plan: Plan
  readonly #timeline = new Timeline()
  readonly #trace: Trace
  readonly #narrator = new Narrator()
  readonly #referee: Referee
  readonly #store: StoreNode
  readonly #exchange: Exchange
  readonly #beliefs: Beliefs
  readonly #workload: Workload
  readonly #weathers: readonly Weather[]
  /** Who runs now in each place. */
  readonly #running: (Client | undefined)[] = []
  readonly #all: Client[] = []
  #granted: Lock['resources'][] = []
  #lastStartMs = 0

  constructor(plan: Plan, { table = realTable, keep = 0 }: SimulationOptions) {
    const now = (): number => this.#timeline.now
    this.#plan = plan
    this.verdict = new Verdict(now)
    this.#trace = new Trace(now, keep)
    this.#referee = new Referee(this.verdict)
    this.#store = new StoreNode(this.#timeline, this.#referee, table, plan)
    this.#exchange = new Exchange(this.#store, (batch, executed) => this.#onExecuted(batch, executed))
    this.#beliefs = new Beliefs(this.#referee, this.#store, this.verdict)
    this.#workload = new Workload(this.#beliefs, this.#trace, this.verdict)
    this.#weathers = plan.clients.map(() => new Weather(plan.latencyMs))
  }

  async run(): Promise<Result> {
    this.#plan.clients.forEach((_, place) => this.#start(place))
    this.#schedule()
    await this.#phase(this.#plan.quietAtMs + SERVED_WITHIN_MS, () => this.#isServed())
    this.#checkServed()
    await this.#phase(this.#timeline.now + 8_000, () => false)
    this.#checkKnown()
    await this.#close()
    await this.#phase(this.#timeline.now + GONE_WITHIN_MS, () => false)
    this.#audit()
    if (this.verdict.violation === undefined) await this.#checkClients()
    const { acquired, ends } = this.#workload
    return {
      violation: this.verdict.violation,
      hash: this.#trace.hash,
      lines: this.#trace.lines,
      happened: this.#timeline.happened,
      executions: this.#store.sequence,
      acquired,
      ends,
    }
  }

  #schedule(): void {
    const { operations, interventions, faults, quietAtMs } = this.#plan
    for (const operation of operations) {
      this.#lastStartMs = Math.max(this.#lastStartMs, operation.atMs)
      this.#timeline.at(operation.atMs, () =>
        this.#in(operation.client, (client) => this.#workload.start(client, operation)),
      )
    }
    this.#timeline.at(quietAtMs, () => this.#checkAsking(new Map()))
    for (const intervention of interventions) {
      this.#timeline.at(intervention.atMs, () =>
        this.#in(intervention.client, (client) => void this.#workload.intervene(client, intervention)),
      )
    }
    for (const fault of faults) {
      this.#timeline.at(fault.atMs, () => {
        this.#trace.note(`fault: ${faultText(fault)}`)
        this.#begin(fault)
      })
    }
  }

  /** Something is done in the process that runs in a place, as soon as it runs. */
  #in(place: number, run: (client: Client) => void): void {
    const client = this.#running[place]
    client?.process.reach(() => run(client))
  }

  #start(place: number): void {
    const plan = this.#plan.clients[place]
    const weather = this.#weathers[place]
    if (plan === undefined || weather === undefined) return
    const restarts = this.#all.filter((client) => client.name.split('.', 1)[0] === `c${place}`).length
    const name = restarts === 0 ? `c${place}` : `c${place}.${restarts}`
    const client = new Client({ timeline: this.#timeline, exchange: this.#exchange, weather }, plan, this.#plan, name)
    this.#running[place] = client
    this.#all.push(client)
    if (plan.watches) void watchLog(client, this.verdict, this.#mayGoBack)
  }

  get #mayGoBack(): boolean {
    return this.#plan.faults.some((fault) => 'data' in fault && fault.data === 'back')
  }

  get #mayForget(): boolean {
    return this.#plan.faults.some((fault) => 'data' in fault && fault.data !== 'kept')
  }

  #begin(fault: Fault): void {
    const { kind } = fault
    switch (kind) {
      case 'slow':
      case 'lossy':
      case 'hang':
      case 'deaf':
      case 'partition':
        return this.#disturb(fault)
      case 'pause':
        return this.#pause(fault)
      case 'crash':
      case 'close':
        return this.#endClient(fault)
      case 'wall':
        return this.#running[fault.client]?.process.stepWall(fault.byMs)
      case 'down':
        this.#store.isUp = false
        this.#exchange.interruptAll()
        this.#timeline.in(fault.forMs, () => {
          this.#store.isUp = true
          this.#forget(fault)
        })
        return
      case 'forget':
        this.#forget(fault)
        if (fault.data === 'back') this.#exchange.interruptAll()
        return
      case 'storeWall':
        return this.#store.stepWall(fault.byMs)
      case 'storeClock':
        this.#store.moveLeaseClock(fault.byMs)
        return this.#beliefs.clockMoved()
    }
  }

  #disturb(fault: Extract<Fault, { readonly forMs: number; readonly client: number }>): void {
    const weather = this.#weathers[fault.client]
    weather?.begin(fault)
    if (fault.kind === 'partition' && fault.cut) this.#running[fault.client]?.link.interrupt()
    this.#timeline.in(fault.forMs, () => weather?.end(fault))
  }

  #pause({ client: place, how, forMs, atMs }: Extract<Fault, { kind: 'pause' }>): void {
    const client = this.#running[place]
    // No clock would tell of a sleep during which the wall clock was set back: that is beyond the model.
    const isSetBack = this.#plan.faults.some(
      (fault) => fault.kind === 'wall' && fault.client === place && fault.byMs < 0,
    )
    client?.process.pause(isSetBack ? 'stop' : how)
    const timersFirst = dice(this.#plan.seed, 'resume', place, atMs).chance(0.7)
    this.#timeline.in(forMs, () => client?.process.resume(timersFirst))
  }

  #endClient({ kind, client: place, backAfterMs }: Extract<Fault, { kind: 'crash' | 'close' }>): void {
    const client = this.#running[place]
    if (client === undefined) return
    this.#running[place] = undefined
    if (kind === 'crash') client.process.crash()
    else client.process.reach(() => void this.#closeClient(client))
    this.#timeline.in(backAfterMs, () => this.#start(place))
  }

  #forget({ data, backMs }: Extract<Fault, { kind: 'down' | 'forget' }>): void {
    if (data === 'lost') this.#store.loseData()
    if (data === 'back') this.#store.goBack(backMs)
  }

  async #closeClient(client: Client): Promise<void> {
    client.isClosing = true
    try {
      await client.locks.close()
    } catch (error) {
      this.verdict.fail('code', `close: ${String(error)}`)
    }
    client.isClosed = true
  }

  #onExecuted(batch: Batch, executed: Executed): void {
    this.#trace.note(this.#narrator.batch(batch, executed))
    for (const fence of this.#referee.forced) this.#beliefs.forced(fence)
    for (const { entry } of this.#referee.granted) this.#granted.push(entry.row.claims)
  }

  /**
   * A call that still asks, while the store has granted it something for so long, has lost its grant. Whoever is not
   * answered waits for up to twelve seconds until it asks again.
   */
  #checkAsking(suspects: ReadonlyMap<number, number>): void {
    const asking = new Map<number, number>()
    for (const { row } of this.#referee.rows.entries.values()) {
      const call = this.#workload.calls.get(row.reason ?? '')
      if (row.lease === null || call?.state !== 'asks' || !call.client.runs) continue
      const times = (suspects.get(row.id) ?? 0) + 1
      if (times > 15) this.verdict.fail('lost', `${row.reason} still asks for ${row.lease.fence}`)
      asking.set(row.id, times)
    }
    this.#timeline.in(1_000, () => this.#checkAsking(asking))
  }

  async #phase(end: number, isOver: () => boolean): Promise<void> {
    await this.#timeline.play(end, () => {
      if (this.#plan.asksAlways) this.#beliefs.checkAll()
      else if (this.#granted.length > 0) this.#beliefs.checkAgainst(this.#granted)
      this.#granted = []
      if (this.#timeline.happened > MOST_EVENTS) this.verdict.fail('served', 'it runs in circles')
      return this.verdict.violation !== undefined || isOver()
    })
  }

  #isServed(): boolean {
    const from = Math.max(this.#plan.quietAtMs + 4_000, this.#lastStartMs)
    return this.#timeline.now > from && this.#workload.open.length === 0
  }

  /** All calls have ended, unless over a deadlock in which some chain has two open requests: such are not looked for. */
  #checkServed(): void {
    this.#referee.rows.now = this.#store.now
    if (this.#workload.open.length > 0 && this.#referee.isDeadlocked) return
    for (const { operation, state } of this.#workload.open) this.verdict.fail('served', `${operation.name} ${state}`)
  }

  /**
   * Whoever lives and reaches the store knows of all that it holds there. A handle ends a little before its lease: what it
   * lets go is on its way.
   */
  #checkKnown(): void {
    this.#referee.rows.now = this.#store.now
    if (this.#mayForget) return
    for (const entry of this.#referee.rows.live()) {
      const { lease, reason, dueAt } = entry.row
      if ((dueAt ?? Infinity) < this.#store.now + LET_GO_MS) continue
      const call = this.#workload.calls.get(reason ?? '')
      if (lease === null || call === undefined || !call.client.runs || call.client.isClosing) continue
      if (!this.#beliefs.knows(lease.fence)) this.verdict.fail('lost', `${reason}: nobody knows of ${lease.fence}`)
    }
  }

  async #close(): Promise<void> {
    for (const client of this.#running) if (client !== undefined) void this.#closeClient(client)
    const isClosed = (): boolean => this.#all.every((client) => client.isClosed || !client.process.isAlive)
    await this.#phase(this.#timeline.now + 60_000, isClosed)
    if (!isClosed()) this.verdict.fail('served', 'a manager was not closed within a minute')
  }

  /** Whatever nobody holds any more is gone, after all that could still stand has expired. */
  #audit(): void {
    if (this.verdict.violation !== undefined) return
    const step = { type: 'inspect', resourceId: 'r:a', scope: 'node', leases: 1, waiters: 1 } as const
    const unheard = { acked: 0, received: [], answered: 0, lastId: 0 }
    const head = { session: 'auditor', epoch: null, ...unheard, deadMs: 6_000, floor: 0 }
    for (let number = 1; number < 1_000; number += 1) {
      if (!this.#store.execute({ ...head, number, steps: [step] }).answer.more) break
    }
    for (const { row } of this.#referee.rows.entries.values()) {
      this.verdict.fail('left', `${row.reason} ${row.lease === null ? 'waits' : 'holds'} after the end`)
    }
  }

  async #checkClients(): Promise<void> {
    for (const client of this.#all) {
      if (!client.process.isAlive) continue
      if (client.process.pending > 0) this.verdict.fail('left', `${client.name}: ${client.process.pending} timers`)
      await checkCounters(client, this.#workload.tallies.get(client), this.verdict)
    }
  }
}

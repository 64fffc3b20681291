import { Registry } from 'prom-client'
import type { AgentLocks } from '../../src/core/agent.ts'
import { LockManager } from '../../src/core/manager.ts'
import type { LockEvent } from '../../src/core/model.ts'
import { EventBus } from '../../src/core/reporting/eventbus.ts'
import { ClientProcess } from './client-process.ts'
import { dice, seededChance } from './dice.ts'
import type { Exchange } from './exchange.ts'
import { Link } from './link.ts'
import type { ClientPlan } from './plan.ts'
import type { Timeline } from './timeline.ts'
import type { Weather } from './weather.ts'

/** One process with one manager, from its start to its end. */
export class Client {
  readonly name: string
  readonly process: ClientProcess
  readonly link: Link
  readonly locks: LockManager
  readonly registry: Registry = new Registry()
  readonly events: LockEvent[] = []
  /** The latest execution of which the client has seen the answer, where that had told all that there was to tell. */
  lastContact = 0
  /** All the answers that it has seen, by their execution. */
  readonly contacts: number[] = []
  isClosing = false
  isClosed = false
  readonly #agents = new Map<number, AgentLocks>()

  constructor(
    parts: { timeline: Timeline; exchange: Exchange; weather: Weather },
    plan: ClientPlan,
    chance: { readonly seed: number; readonly luck: number },
    name: string,
  ) {
    this.name = name
    const random = dice(chance.seed, 'client', name)
    this.process = new ClientProcess(parts.timeline, plan.rate, 1_700_000_000_000 + random.below(600_000))
    const observer = {
      onContact: ({ sequence, answer: { more } }: { sequence: number; answer: { more: boolean } }): void => {
        if (!more) this.lastContact = Math.max(this.lastContact, sequence)
        this.contacts.push(sequence)
      },
    }
    this.link = new Link({ ...parts, process: this.process, observer }, chance.seed + chance.luck, name)
    const eventBus = new EventBus()
    eventBus.subscribe('*', (event) => void this.events.push(event))
    this.locks = new LockManager(
      {
        store: { open: async () => this.link },
        eventBus,
        registry: this.registry,
        heartbeat: `${plan.heartbeatMs}ms`,
      },
      () => Promise.reject(new Error('The store is given.')),
      { clock: this.process, chance: seededChance(random) },
    )
    parts.timeline.hold(this.locks.connect())
  }

  get runs(): boolean {
    return this.process.isAlive && !this.process.isPaused
  }

  agent(number: number): AgentLocks {
    const known = this.#agents.get(number) ?? this.locks.agent(`${this.name}-${number}`)
    this.#agents.set(number, known)
    return known
  }

  contactsSince(sequence: number): number {
    return this.contacts.filter((each) => each >= sequence).length
  }
}

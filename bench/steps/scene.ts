import type { LockStore } from 'holdfast'
import { acquireStep, idOf, newToken, StepClient } from './client.ts'

const FILL = 256

/** A request of this session. */
interface Known {
  readonly id: number
  readonly token: string
}

/** What is measured in a scene; each is one or more batches of one step. */
export type Measure = 'pair' | 'extend' | 'handOver' | 'leave'

/** A store with so many leases, on as many resources, or so many waiters in one line. */
export class Scene {
  readonly #client: StepClient
  readonly #leases: Known[] = []
  readonly #waiting = new Map<number, string>()
  #holder: Known = { id: 0, token: '' }
  #turn = 0

  private constructor(client: StepClient) {
    this.#client = client
  }

  static async withLeases(store: LockStore, count: number): Promise<Scene> {
    const scene = new Scene(new StepClient(store))
    await scene.#fill(
      count,
      (index) => `bench:held/${index}`,
      (known) => scene.#leases.push(known),
    )
    return scene
  }

  static async withWaiters(store: LockStore, count: number): Promise<Scene> {
    const scene = new Scene(new StepClient(store))
    scene.#holder = await scene.#ask('bench:line')
    await scene.#fill(
      count,
      () => 'bench:line',
      ({ id, token }) => scene.#waiting.set(id, token),
    )
    return scene
  }

  readonly measures: Readonly<Record<Measure, () => Promise<void>>> = {
    pair: async () => {
      this.#turn += 1
      const { id, token } = await this.#ask(`bench:free/${this.#turn % 1000}`)
      await this.#client.step({ type: 'release', id, token, expired: false })
    },
    extend: async () => {
      this.#turn += 1
      // Spread over all of them, as renewals are.
      const lease = this.#leases[(this.#turn * 7919) % this.#leases.length]
      if (lease === undefined) throw new Error('nothing is held')
      await this.#client.step({ type: 'extend', ...lease, fence: null, ttlMs: 3_600_000, automatic: true })
    },
    handOver: async () => {
      await this.#client.step({ type: 'release', ...this.#holder, expired: false })
      const next = this.#client.granted.shift()
      const token = this.#waiting.get(next?.id ?? 0)
      if (next === undefined || token === undefined) throw new Error('nobody was granted')
      this.#waiting.delete(next.id)
      this.#holder = { id: next.id, token }
      const last = await this.#ask('bench:line')
      this.#waiting.set(last.id, last.token)
    },
    leave: async () => {
      const { id, token } = await this.#ask('bench:line')
      await this.#client.step({ type: 'cancel', id, token, explain: null })
    },
  }

  async #ask(resourceId: string): Promise<Known> {
    const token = newToken()
    return { id: idOf(await this.#client.step(acquireStep(resourceId, token))), token }
  }

  async #fill(count: number, name: (index: number) => string, keep: (known: Known) => void): Promise<void> {
    for (let start = 0; start < count; start += FILL) {
      const tokens = Array.from({ length: Math.min(FILL, count - start) }, newToken)
      const outcomes = await this.#client.apply(tokens.map((token, index) => acquireStep(name(start + index), token)))
      outcomes.forEach((outcome, index) => keep({ id: idOf(outcome), token: tokens[index] ?? '' }))
    }
  }
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, Batch, LockStore, Message } from '../../src/core/store.ts'
import type { TableStorage } from '../../src/core/table/storage.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { histories, type History } from '../../src/testing/histories.ts'
import { DrivenClock, Player } from '../../src/testing/index.ts'
import { type Known, NaiveTable, type Told } from './naive.ts'
import { regressions } from './regressions.ts'
import { expectSafety, expectSettled, rowsOf } from './table-rules.ts'
import { eventInWords, messageInWords, outcomeInWords } from './words.ts'

const RUNS = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 300)

/** The memory store and the naive model, side by side. */
class SideBySide {
  readonly #clock: DrivenClock
  readonly #naive = new NaiveTable()
  readonly #player = new Player()
  readonly #store: LockStore
  readonly #storage: TableStorage
  readonly #seen = new Map<string, number>()
  readonly #acked = new Map<string, number>()
  #posts = new Map<string, Message[]>()
  #cursor: string | null = null
  #lastFence = 0

  private constructor(store: LockStore, clock: DrivenClock, storage: TableStorage) {
    this.#store = store
    this.#clock = clock
    this.#storage = storage
  }

  static async open(): Promise<SideBySide> {
    const clock = new DrivenClock()
    let storage: TableStorage | undefined
    const driver = memoryStore({ clock, storage: (rows) => (storage = rows) })
    const store = await driver.open('model')
    if (storage === undefined) throw new Error('the memory store has no rows')
    const both = new SideBySide(store, clock, storage)
    await both.#listen()
    return both
  }

  async #listen(): Promise<void> {
    for (const { session } of this.#player.actors) {
      const onMessages = (messages: readonly Message[]): void => this.#note(session, messages)
      await this.#store.subscribe(session, { onMessages, onInterruption: () => undefined })
    }
    this.#cursor = await this.#readEvents().then(({ cursor }) => cursor)
  }

  #note(session: string, messages: readonly Message[]): void {
    const fresh = messages.filter(({ number }) => number > (this.#seen.get(session) ?? 0))
    this.#posts.set(session, [...(this.#posts.get(session) ?? []), ...fresh])
    this.#seen.set(session, Math.max(this.#seen.get(session) ?? 0, fresh.at(-1)?.number ?? 0))
  }

  async play(history: History): Promise<void> {
    for (const move of history) {
      if (move.move === 'advance') {
        await this.#clock.advance(move.ms)
        continue
      }
      const batch = this.#player.batchOf(move)
      if (batch === undefined) continue
      const last = this.#naive.lastBatch(batch.session)
      if (move.move === 'late') {
        if (last !== undefined && last > batch.number)
          await expect(this.#store.apply(batch)).rejects.toMatchObject({ code: 'INVALID' })
      } else if (move.move === 'repeat') {
        if (last === batch.number) expect(await this.#store.apply(batch)).toEqual(this.#answers.get(batch.session))
      } else await this.#compare(batch)
    }
  }

  readonly #answers = new Map<string, Answer>()

  async #compare(batch: Batch): Promise<void> {
    this.#posts = new Map()
    const acknowledged = this.#acknowledgedBy(batch)
    const answer = await this.#store.apply(batch)
    this.#answers.set(batch.session, answer)
    this.#note(batch.session, answer.messages)
    this.#player.learn(batch, answer)
    this.#naive.now = answer.now
    this.#naive.wallNow = answer.wallNow
    const told = this.#naive.apply(batch, { ...acknowledged, ...this.#orderOfPosts() })
    await this.#expectSame(answer, told)
    const rows = rowsOf(this.#storage, answer.now)
    expectSafety(rows)
    expectSettled(rows)
    expect(this.#naive.undetected(), 'a deadlock that nobody was told of').toBeUndefined()
  }

  #orderOfPosts(): Pick<Known, 'granted' | 'refused'> {
    const posts = [...this.#posts.values()].flat()
    const grants = posts
      .flatMap((post) => (post.type === 'granted' ? [post] : []))
      .toSorted((a, b) => a.fence - b.fence)
    const placeInLog = (cursor: string | null): number => Number(cursor?.split('.')[1])
    const refused = posts
      .flatMap((post) => (post.type === 'deadlock' ? [post] : []))
      .toSorted((a, b) => placeInLog(a.cursor) - placeInLog(b.cursor))
    return { granted: grants.map(({ id }) => id), refused: refused.map(({ id }) => id) }
  }

  #acknowledgedBy({ session, acked, received, answered }: Batch): Pick<Known, 'isMisled' | 'confirmed'> {
    const before = this.#acked.get(session) ?? 0
    const messages = this.#player.actors.find((actor) => actor.session === session)?.messages ?? []
    const news = messages.filter(({ number }) => number > before && number <= acked)
    const isMisled = news.some((message) => !received.includes(message))
    // To a store that went back an acknowledgement says nothing.
    if (isMisled || answered > (this.#naive.lastBatch(session) ?? answered)) return { isMisled, confirmed: [] }
    this.#acked.set(session, Math.max(before, acked))
    return { isMisled, confirmed: news.flatMap(({ type, id }) => (type === 'granted' ? [id] : [])) }
  }

  async #expectSame(answer: Answer, told: Told): Promise<void> {
    expect(answer.outcomes?.map(outcomeInWords)).toEqual(told.outcomes)
    expect({ fresh: answer.fresh, more: answer.more, wakeAt: answer.wakeAt }).toEqual({
      fresh: told.fresh,
      more: false,
      wakeAt: told.wakeAt,
    })
    for (const session of new Set([...this.#posts.keys(), ...told.messages.keys()])) {
      const posted = (this.#posts.get(session) ?? []).map(messageInWords).toSorted()
      expect(posted, `told to ${session.slice(0, 4)}`).toEqual((told.messages.get(session) ?? []).toSorted())
    }
    const { events, cursor } = await this.#readEvents()
    this.#cursor = cursor
    expect(events.map(eventInWords).toSorted()).toEqual(told.events.toSorted())
    for (const { type, fence } of events) {
      if (type !== 'resource.locked') continue
      expect(fence).toBeGreaterThan(this.#lastFence)
      this.#lastFence = fence ?? 0
    }
    const held = this.#naive.held().map(({ id, expiresAt, owners }) => ({ id, expiresAt, owners: owners.length }))
    const rows = rowsOf(this.#storage, answer.now).held
    expect(rows.map(({ id, dueAt, lease }) => ({ id, expiresAt: dueAt, owners: lease.owners.length }))).toEqual(held)
  }

  async #readEvents(): Promise<{ readonly events: Parameters<typeof eventInWords>[0][]; readonly cursor: string }> {
    const step = { type: 'readEvents', since: this.#cursor, limit: 1000 } as const
    const batch = {
      session: 'f'.repeat(32),
      number: 1,
      epoch: null,
      acked: 0,
      received: [],
      deadMs: 1000,
      floor: 0,
      answered: 0,
      lastId: 0,
      steps: [step],
    }
    const [outcome] = (await this.#store.apply(batch)).outcomes ?? []
    if (outcome?.type !== 'events') throw new Error('the log was not read')
    return { events: [...outcome.events], cursor: outcome.cursor }
  }
}

describe('the memory store and the naive model agree', () => {
  test(
    'over random histories: outcomes, grants, order, expiry, messages and events',
    { timeout: 600_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(histories(50), async (history) => {
          const both = await SideBySide.open()
          await both.play(history)
        }),
        {
          numRuns: RUNS,
          ...(process.env['HOLDFAST_MODEL_SEED'] && { seed: Number(process.env['HOLDFAST_MODEL_SEED']) }),
        },
      )
    },
  )

  test.each(regressions)('over the history of a bug: $bug', async ({ history }) => {
    const both = await SideBySide.open()
    await both.play(history)
  })
})

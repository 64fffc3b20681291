import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Answer, LockStore, StoreDriver } from '../../src/core/store.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { sqliteStore } from '../../src/stores/sqlite/index.ts'
import { histories, type History } from '../../src/testing/histories.ts'
import { DrivenClock, Player } from '../../src/testing/index.ts'

const RUNS = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 60)

/** Both remember little, so that forgetting is compared too. */
const limits = { events: 20, previous: 3, previousMs: 100 }

const READER = {
  session: 'f'.repeat(32),
  number: 1,
  epoch: null,
  acked: 0,
  received: [],
  deadMs: 1000,
  floor: 0,
  answered: 0,
  lastId: 0,
}

/** An answer without what is each store's own: epochs, and the places at which pages begin. */
function comparable(answer: Answer): unknown {
  const text = JSON.stringify(answer).replaceAll(answer.epoch, 'epoch')
  return JSON.parse(text, (key, value: unknown) => (key === 'next' && value !== null ? 'place' : value)) as unknown
}

/** The same history on two stores, whose answers must be the same at every step. `others` take turns on the second. */
async function compare(history: History, connections: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  const clock = new DrivenClock()
  const drivers: StoreDriver[] = [
    memoryStore({ clock, limits }),
    sqliteStore(join(folder, 'locks.db'), { clock, limits }),
  ]
  const stores: LockStore[] = []
  try {
    const [reference, ...others] = drivers
    if (reference === undefined) return
    stores.push(await reference.open('default'))
    for (const driver of others) {
      for (let count = 0; count < connections; count += 1) stores.push(await driver.open('default'))
    }
    await play(history, clock, stores)
  } finally {
    for (const store of stores) await store.close()
    rmSync(folder, { recursive: true })
  }
}

async function play(history: History, clock: DrivenClock, [reference, ...stores]: readonly LockStore[]): Promise<void> {
  const player = new Player()
  let turn = 0
  for (const move of history) {
    if (move.move === 'advance') await clock.advance(move.ms)
    const batch = player.batchOf(move)
    const store = stores[(turn += 1) % stores.length]
    if (batch === undefined || store === undefined || reference === undefined) continue
    const apply = (one: LockStore): Promise<Answer | Error> => one.apply(batch).catch((error: Error) => error)
    const [expected, actual] = [await apply(reference), await apply(store)]
    if (expected instanceof Error || actual instanceof Error) {
      expect(actual).toEqual(expected)
      continue
    }
    expect(comparable(actual)).toEqual(comparable(expected))
    player.learn(batch, expected)
    const log = { type: 'readEvents', since: `${'0'.repeat(32)}.0`, limit: 1000 } as const
    const [events, others] = await Promise.all([reference, store].map((one) => one.apply({ ...READER, steps: [log] })))
    if (events !== undefined && others !== undefined) expect(comparable(others)).toEqual(comparable(events))
  }
}

test.each([
  ['one connection', 1],
  ['connections that take turns', 2],
])(
  '%s: the answers to any history are those of the memory store',
  async (_, connections) => {
    await fc.assert(
      fc.asyncProperty(histories(60), (history) => compare(history, connections)),
      { numRuns: RUNS },
    )
  },
  120_000,
)

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LockStore, memoryStore, sqliteStore } from 'holdfast'
import type { Progress } from '../progress.ts'
import type { Aim, Section, Table } from '../report.ts'
import { inRounds } from '../rounds.ts'
import { median, medianRatio } from '../statistics.ts'
import { type Measure, Scene } from './scene.ts'

const SIZES = [10, 1_000, 100_000] as const

const MEASURES = {
  leases: { pair: 'acquire and release, among leases', extend: 'extend one of the leases' },
  waiters: {
    pair: 'acquire and release, beside a line of waiters',
    handOver: 'hand over in the line, and join its end',
    leave: 'join the end of the line, and leave it',
  },
} as const satisfies Record<string, Partial<Record<Measure, string>>>

type Kind = keyof typeof MEASURES

const STORES: Readonly<Record<string, (folder: string) => ReturnType<typeof memoryStore>>> = {
  memory: () => memoryStore(),
  SQLite: (folder) => sqliteStore(join(folder, 'steps.db')),
}

/** What a step costs at the store, however much the store holds. */
export async function benchSteps(quick: boolean, progress: Progress): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const [tables, aims]: [Table[], Aim[]] = [[], []]
  try {
    for (const [name, driver] of Object.entries(STORES)) {
      const opened = driver(folder)
      const stores: LockStore[] = []
      const open = async (namespace: string): Promise<LockStore> => {
        const store = await opened.open(namespace)
        stores.push(store)
        return store
      }
      progress(`${name}: filling`)
      const scenes = await makeScenes(open)
      progress(`${name}: measuring`)
      const { table, worst } = await measureAll(name, scenes, quick)
      await Promise.all(stores.map((store) => store.close()))
      tables.push(table)
      aims.push({
        what: `${name}, 100 000 leases or waiters: times the cost with 10, at worst`,
        limit: 1.5,
        is: 'at most',
        measured: worst,
        unit: '',
      })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return { id: 'steps', tables, aims }
}

type Scenes = Readonly<Record<Kind, readonly Scene[]>>

async function makeScenes(open: (namespace: string) => Promise<LockStore>): Promise<Scenes> {
  const scenes: Record<Kind, Scene[]> = { leases: [], waiters: [] }
  for (const size of SIZES) {
    scenes.leases.push(await Scene.withLeases(await open(`leases-${size}`), size))
    scenes.waiters.push(await Scene.withWaiters(await open(`waiters-${size}`), size))
  }
  return scenes
}

async function measureAll(store: string, scenes: Scenes, quick: boolean): Promise<{ table: Table; worst: number }> {
  const [rounds, ms] = quick ? [2, 30] : [11, 60]
  const rows: (string | number)[][] = []
  let worst = 0
  for (const kind of Object.keys(MEASURES) as Kind[]) {
    for (const [measure, name] of Object.entries(MEASURES[kind]) as [Measure, string][]) {
      const cost = (index: number) => (): Promise<number> => costOf(scenes[kind][index]?.measures[measure], ms)
      const { few, some, many } = await inRounds({ few: cost(0), some: cost(1), many: cost(2) }, rounds)
      const ratio = medianRatio(many, few)
      worst = Math.max(worst, ratio)
      rows.push([name, median(few), median(some), median(many), medianRatio(some, few), ratio])
    }
  }
  const columns = ['', '10, µs', '1 000, µs', '100 000, µs', '1 000 / 10', '100 000 / 10']
  return { table: { title: `Steps at the store, each in a batch of its own: ${store}`, columns, rows }, worst }
}

/** Microseconds for one. */
async function costOf(once: (() => Promise<void>) | undefined, ms: number): Promise<number> {
  if (once === undefined) throw new Error('nothing to measure')
  const start = performance.now()
  let count = 0
  while (performance.now() - start < ms) {
    await once()
    count += 1
  }
  return ((performance.now() - start) / count) * 1000
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../support/polling.ts'
import { processCases } from '../support/process-cases.ts'
import { LockProcess, temporaryFolder } from '../support/processes.ts'

const storeIn = (folder: string): string => `sqlite:${join(folder, 'locks.db')}`

processCases('one SQLite file', () => storeIn(temporaryFolder()))

test('processes that are killed one after the other lose no count in a guarded file', async () => {
  const folder = temporaryFolder()
  const [store, counter] = [storeIn(folder), join(folder, 'counter.json')]
  const read = (): Record<string, number> => JSON.parse(readFileSync(counter, 'utf8')) as Record<string, number>
  const everyone: LockProcess[] = []
  const haveCounted = (some: readonly LockProcess[]): Promise<void> =>
    until('they have counted', () => some.every(({ said }) => said.length >= 10), 30_000)
  const join4 = async (): Promise<LockProcess> => {
    const process = await LockProcess.start(store)
    everyone.push(process)
    process.call('count', counter, 'x').catch(() => {})
    return process
  }
  const running = await Promise.all([0, 1, 2, 3].map(join4))
  for (let kill = 0; kill < 4; kill += 1) {
    const victim = running.shift() as LockProcess
    await haveCounted([victim])
    await victim.kill()
    running.push(await join4())
  }
  await haveCounted(running)
  await Promise.all(running.map((process) => process.call('stop')))
  await Promise.all(running.map((process) => process.call('close')))
  const counts = read()
  for (const { pid, said } of everyone) {
    const counted = counts[`process-${pid}`] ?? 0
    expect(counted).toBeGreaterThanOrEqual(said.length)
    // What was written just before the kill could not be said any more.
    expect(counted).toBeLessThanOrEqual(said.length + 1)
  }
})

test('processes on one SQLite file get fair shares of one hot resource', async ({ annotate }) => {
  const store = storeIn(temporaryFolder())
  const processes = await Promise.all(Array.from({ length: 4 }, () => LockProcess.start(store)))
  // Warm-up: whoever is compiled first would win the first rounds.
  const lap = (ms: number) =>
    Promise.all(
      processes.map((process) =>
        process.call<{ count: number; longestWaitMs: number; longestStallMs: number }>('hammer', 'x', Date.now() + ms),
      ),
    )
  await lap(500)
  const shares = await lap(3_000)
  await annotate(JSON.stringify(shares))
  const counts = shares.map(({ count }) => count)
  // It is about 0.9 where nothing else runs. Whoever is passed over gets next to nothing; who is only slow, on a machine
  // with other things to do, still gets a part.
  expect(Math.min(...counts) / Math.max(...counts)).toBeGreaterThan(0.25)
})

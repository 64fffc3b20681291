import { afterAll, expect, test } from 'vitest'
import { exitCases } from '../support/exit-cases.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { processCases } from '../support/process-cases.ts'
import { LockProcess } from '../support/processes.ts'

const STARTED_AT_ONCE = 10

const server = await PostgresServer.start()
afterAll(() => server.dispose())

const freshUrl = async (): Promise<string> => server.url(await server.createDatabase())

processCases('one database', freshUrl)
exitCases('Postgres', freshUrl)

test('processes that start at once on an empty database install it once, and share it', async () => {
  const url = await freshUrl()
  const fences = Array.from({ length: STARTED_AT_ONCE }, async () => {
    const process = await LockProcess.start(url)
    const { fencingToken, handle } = await process.acquire('x', { timeout: '1h' })
    await process.call('release', handle)
    return fencingToken
  })
  expect(new Set(await Promise.all(fences)).size).toBe(STARTED_AT_ONCE)
  const history = await server.run('SELECT version FROM holdfast.installations', [], url.split('/').at(-1))
  expect(history).toHaveLength(1)
})

import { describe, expect, test } from 'vitest'
import { CliWorkshop } from '../support/cli-workshop.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { RedisServer } from '../support/redis-server.ts'

/** Runs a command under a lock, and looks at who holds it meanwhile and afterwards. */
async function expectLocking(url: string): Promise<void> {
  await using shop = new CliWorkshop()
  const env = { HOLDFAST_STORE: url }
  const held = await shop.run(['run', 'state:x', '--', process.execPath, '-e', 'console.log("under the lock")'], {
    env,
  })
  expect(held).toMatchObject({ code: 0, stdout: 'under the lock\n' })
  expect(await shop.run(['acquire', 'state:y', '--timeout', '1m'], { env })).toMatchObject({ code: 0 })
  const { stdout } = await shop.run(['ls'], { env })
  expect(stdout).toContain('state:y')
  expect(stdout).not.toContain('state:x')
  expect(await shop.run(['release', 'state:y'], { env })).toMatchObject({ code: 0 })
}

describe('the command line, which is bundled into one file', () => {
  test('locks on Redis', async () => {
    const server = await RedisServer.start()
    await expectLocking(server.url)
  })

  test('locks on Postgres', async () => {
    const server = await PostgresServer.start()
    try {
      await expectLocking(server.url())
    } finally {
      await server.dispose()
    }
  })
})

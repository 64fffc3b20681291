import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { CliWorkshop } from '../support/cli-workshop.ts'
import { PostgresServer } from '../support/postgres-server.ts'

const server = await PostgresServer.start()
await server.run('CREATE ROLE app LOGIN')
const workshop = new CliWorkshop()
afterAll(async () => {
  await workshop[Symbol.asyncDispose]()
  await server.dispose()
})

let database = ''
beforeEach(async () => {
  database = await server.createDatabase()
})

describe('holdfast migrate', () => {
  test('installs the schema, and says so', async () => {
    const args = ['migrate', '--store', server.url(database)]
    const first = { code: 0, stdout: 'The schema holdfast has version 1 now.\n', stderr: '' }
    expect(await workshop.run(args)).toEqual(first)
    const again = { code: 0, stdout: 'The schema holdfast was up to date: it has version 1.\n', stderr: '' }
    expect(await workshop.run(args)).toEqual(again)
  })

  test('lets a role use it, which then can lock', async () => {
    const args = ['migrate', '--store', `${server.url(database)}?schema=locks`, '--role', 'app']
    expect(await workshop.run(args)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/role app may use it/u) as string,
    })
    const store = `${server.url(database, 'app')}?schema=locks`
    expect(await workshop.run(['run', 'port:1', '--store', store, '--', 'echo', 'ran'])).toEqual({
      code: 0,
      stdout: 'ran\n',
      stderr: '',
    })
  })

  test('prints the SQL, which does the same, and changes nothing itself', async () => {
    const { code, stdout } = await workshop.run(['migrate', '--store', server.url(database), '--sql', '--role', 'app'])
    expect(code).toBe(0)
    expect(await server.run("SELECT 1 FROM pg_namespace WHERE nspname = 'holdfast'", [], database)).toEqual([])
    await server.run(stdout, [], database)
    const store = server.url(database, 'app')
    const handle = await workshop.run(['acquire', 'port:1', '--store', store])
    expect(handle).toMatchObject({ code: 0, stderr: '' })
    expect(await workshop.json(['ls', '--store', store])).toMatchObject([{ resourceId: 'port:1' }])
    expect(await workshop.run(['release', 'port:1', '--store', store])).toMatchObject({ code: 0 })
  })

  test('says what is wrong with a store that has nothing to migrate, or cannot be reached', async () => {
    const args = ['migrate', '--store', 'sqlite:locks.db']
    expect(await workshop.run(args)).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/nothing to migrate/u) as string,
    })
    const away = ['migrate', '--store', 'postgres://app:secret@127.0.0.1:1/app']
    expect(await workshop.run(away)).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/^(?!.*secret).*could not be reached/u) as string,
    })
  })
})

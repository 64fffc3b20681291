import { afterAll, beforeAll, beforeEach } from 'vitest'
import { fenceColumnSql } from '../../src/guard/index.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { describeLateWriter } from './late-writer.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await PostgresServer.start()
  await server.run('CREATE TABLE note (id int PRIMARY KEY, text text NOT NULL)')
  await server.run(fenceColumnSql({ table: 'note' }))
}, 60_000)
beforeEach(async () => {
  await server.run('TRUNCATE note')
  await server.run("INSERT INTO note VALUES (1, '')")
})
afterAll(() => server.dispose())

describeLateWriter('row', () => server.url())

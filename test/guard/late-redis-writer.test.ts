import { beforeAll, beforeEach } from 'vitest'
import { RedisServer } from '../support/redis-server.ts'
import { describeLateWriter } from './late-writer.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
beforeEach(() => server.command('FLUSHALL'))

for (const kind of ['string', 'json', 'hash']) describeLateWriter(kind, () => server.url)

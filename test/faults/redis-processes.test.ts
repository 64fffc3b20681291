import { exitCases } from '../support/exit-cases.ts'
import { processCases } from '../support/process-cases.ts'
import { RedisServer } from '../support/redis-server.ts'

const server = await RedisServer.start()

const emptied = async (): Promise<string> => {
  await server.command('FLUSHALL')
  return server.url
}

processCases('one Redis', emptied)
exitCases('Redis', emptied)

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Opened } from '../compare/contender.ts'
import { LEASE_MS } from './contenders.ts'

const COMPARE_AND_DELETE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

const JOIN = `
local line = KEYS[1] .. ':line'
if redis.call('EXISTS', KEYS[1], line) > 0 then
  redis.call('RPUSH', line, ARGV[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const HAND_OVER = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local next = redis.call('LPOP', KEYS[1] .. ':line')
if not next then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], next, 'PX', ARGV[2])
redis.call('PUBLISH', string.sub(next, 1, 36), next)
return 1`

/** The least that a lock on Redis can cost: two commands, no line, no event, no token that orders. */
export async function openFloor(port: number): Promise<Opened> {
  const client = new Redis({ host: '127.0.0.1', port })
  const script = await load(client, COMPARE_AND_DELETE)
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return {
    async acquire(resource) {
      count += 1
      const token = `${prefix}${count}`
      while ((await client.set(resource, token, 'PX', LEASE_MS, 'NX')) !== 'OK') await sleep(5)
      return () => client.evalsha(script, 1, resource, token)
    },
    close: async () => client.disconnect(),
  }
}

/** The least that a fair hand-over can cost: a list of those who wait, whose next is granted by whoever releases. */
export async function openQueueFloor(port: number): Promise<Opened> {
  const client = new Redis({ host: '127.0.0.1', port })
  const subscriber = new Redis({ host: '127.0.0.1', port })
  const [join, handOver] = [await load(client, JOIN), await load(client, HAND_OVER)]
  const own = randomUUID()
  const waiting = new Map<string, () => void>()
  subscriber.on('message', (_channel, token: string) => {
    waiting.get(token)?.()
    waiting.delete(token)
  })
  await subscriber.subscribe(own)
  let count = 0
  return {
    async acquire(resource) {
      count += 1
      const token = `${own}${count}`
      const granted = new Promise<void>((resolve) => waiting.set(token, resolve))
      if ((await client.evalsha(join, 1, resource, token, LEASE_MS)) === 1) waiting.delete(token)
      else await granted
      return () => client.evalsha(handOver, 1, resource, token, LEASE_MS)
    },
    async close() {
      client.disconnect()
      subscriber.disconnect()
    },
  }
}

async function load(client: Redis, script: string): Promise<string> {
  await client.script('LOAD', script)
  return createHash('sha1').update(script).digest('hex')
}

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { InvalidRequestError } from '../../core/errors.ts'

/** What is needed of a client of ioredis (5 or 6) or iovalkey, a Cluster's included. */
export interface IoredisLike {
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** What is needed of a client of `redis` (node-redis 5 or 6), a cluster or a pool included. */
export interface NodeRedisLike {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

/** A client that its owner has connected and closes. */
export type RedisClient = IoredisLike | NodeRedisLike

/** A Lua script of this folder. */
export interface Script {
  readonly text: string
  readonly sha: string
}

export function readScript(file: string): Script {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Runs a script, which the server is sent in full only where it does not know it yet. */
export async function runScript(
  client: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  try {
    return await call(client, 'sha', script, keys, args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return call(client, 'text', script, keys, args)
  }
}

/** @throws InvalidRequestError if the value is no client that is known here */
export function checkClient(client: RedisClient): RedisClient {
  if (typeof client === 'object' && client !== null && ('evalSha' in client || 'evalsha' in client)) return client
  throw new InvalidRequestError('This is no Redis client: give one of ioredis, iovalkey or redis (node-redis).')
}

function call(
  client: RedisClient,
  by: 'sha' | 'text',
  { sha, text }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  // node-redis has this method in camel case; in ioredis every command is in small letters.
  if ('evalSha' in client) {
    const options = { keys: [...keys], arguments: [...args] }
    return by === 'sha' ? client.evalSha(sha, options) : client.eval(text, options)
  }
  return by === 'sha'
    ? client.evalsha(sha, keys.length, ...keys, ...args)
    : client.eval(text, keys.length, ...keys, ...args)
}

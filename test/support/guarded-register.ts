import { RedisConnection } from './redis-connection.ts'

const ENTER = `
local highest = tonumber(redis.call('HGET', KEYS[1], 'highest') or '0')
if highest > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'highest', ARGV[1])
return 1`

const WRITE = `
local highest = tonumber(redis.call('HGET', KEYS[1], 'highest') or '0')
if highest > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'highest', ARGV[1], 'value', ARGV[2])
redis.call('RPUSH', KEYS[1] .. ':accepted', ARGV[1])
return 1`

/**
 * A number that fencing tokens guard, with the highest token that has entered. It is on a server of its own, which
 * nothing happens to: whatever goes wrong with the locks, what was written stays written.
 */
export class GuardedRegister {
  readonly #connection: RedisConnection
  readonly #key: string

  private constructor(connection: RedisConnection, key: string) {
    this.#connection = connection
    this.#key = key
  }

  static async open(port: number, key: string): Promise<GuardedRegister> {
    return new GuardedRegister(await RedisConnection.open({ port }), key)
  }

  /** Says that the holder of this token will write; false if a later holder has been here. */
  async enter(fence: number): Promise<boolean> {
    return (await this.#connection.command('EVAL', ENTER, 1, this.#key, fence)) === 1
  }

  async read(): Promise<number> {
    return Number(await this.#connection.command('HGET', this.#key, 'value'))
  }

  /** False, and nothing is written, if a later holder has been here. */
  async write(fence: number, value: number): Promise<boolean> {
    return (await this.#connection.command('EVAL', WRITE, 1, this.#key, fence, value)) === 1
  }

  /** A guarded read-modify-write in three steps, so that somebody may come in between: enter, read, write. */
  async addOne(fence: number): Promise<boolean> {
    if (!(await this.enter(fence))) return false
    const value = await this.read()
    return this.write(fence, value + 1)
  }

  /** The tokens of all writes that were accepted, in their order. */
  async accepted(): Promise<readonly number[]> {
    const fences = await this.#connection.command('LRANGE', `${this.#key}:accepted`, 0, -1)
    return Array.isArray(fences) ? fences.map(Number) : []
  }

  close(): void {
    this.#connection.close()
  }
}

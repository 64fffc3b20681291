import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FenceKeeper, fileKeeper, memoryKeeper, redisKeeper } from '../../src/guard/index.ts'
import { RedisServer } from '../support/redis-server.ts'

let redis: Redis
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-keepers-'))
  redis = new Redis((await RedisServer.start()).url)
})
afterAll(async () => {
  await redis.quit()
  rmSync(folder, { recursive: true, force: true })
})

const keepers: Readonly<Record<string, () => FenceKeeper>> = {
  memoryKeeper: () => memoryKeeper(),
  fileKeeper: () => fileKeeper(join(folder, 'deep', 'fences')),
  redisKeeper: () => redisKeeper(redis),
}

describe.each(Object.entries(keepers))('%s', (name, open) => {
  // Of a length and with characters that no file's name may have.
  const resource = `/${name}/{a}}/\u0000/${'x'.repeat(500)}`

  test('keeps the highest token of each resource', async () => {
    const keeper = open()
    expect(await keeper.highest(resource)).toBe(0)
    expect(await keeper.enter(resource, 1_763_918_231_000_007)).toBe(1_763_918_231_000_007)
    expect(await keeper.enter(resource, 1_763_918_231_000_006)).toBe(1_763_918_231_000_007)
    expect(await keeper.enter(resource, 1_763_918_231_000_007)).toBe(1_763_918_231_000_007)
    expect(await keeper.highest(resource)).toBe(1_763_918_231_000_007)
    expect(await keeper.enter(`${resource}2`, 5)).toBe(5)
  })

  test('can be set back by an administrator', async () => {
    const keeper = open()
    await keeper.enter(`${resource}3`, Number.MAX_SAFE_INTEGER)
    expect(await keeper.reset(`${resource}3`, 7)).toBe(Number.MAX_SAFE_INTEGER)
    expect(await keeper.enter(`${resource}3`, 6)).toBe(7)
    expect(await keeper.reset(`${resource}3`)).toBe(7)
    expect(await keeper.highest(`${resource}3`)).toBe(0)
    await expect(keeper.reset(resource, -1)).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('lets of many that come at once nobody in behind a higher one', async () => {
    const keeper = open()
    const tokens = Array.from({ length: 40 }, (_, at) => 1 + ((at * 17) % 40))
    const highest = await Promise.all(tokens.map((token) => keeper.enter(`${resource}4`, token)))
    expect(highest.every((each, at) => each >= (tokens[at] ?? 0))).toBe(true)
    expect(await keeper.highest(`${resource}4`)).toBe(40)
    expect(await keeper.enter(`${resource}4`, 39)).toBe(40)
  })
})

describe('memoryKeeper', () => {
  test('forgets what was not seen for longest, and then admits no token that may be too late', async () => {
    const keeper = memoryKeeper({ maxResources: 2 })
    await keeper.enter('a', 5)
    await keeper.enter('b', 3)
    await keeper.enter('a', 5)
    await keeper.enter('c', 4)
    // Of `b` no more is known than that it cannot have had a token above 3.
    expect(await keeper.enter('d', 2)).toBe(3)
    expect(await keeper.enter('e', 4)).toBe(5)
    expect(await keeper.enter('e', 6)).toBe(6)
  })
})

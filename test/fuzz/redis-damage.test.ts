import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { redisStore } from '../../src/stores/redis/index.ts'
import { RedisServer } from '../support/redis-server.ts'
import { runs } from './material.ts'
import { Scene } from './scene.ts'

const server = await RedisServer.start()

const INDEXES = ['held', 'lines', 'due', 'wanted', 'sessions', 'unsettled', 'previous'] as const
const KEYS = ['rows', ...INDEXES, 'log'] as const

/** What somebody else may keep under any key. */
const FOREIGN = {
  string: (key) => ['SET', key, 'theirs'],
  list: (key) => ['RPUSH', key, 'theirs'],
  set: (key) => ['SADD', key, 'theirs'],
  hash: (key) => ['HSET', key, 'm', 'theirs'],
  zset: (key) => ['ZADD', key, '1', 'theirs'],
} as const satisfies Record<string, (key: string) => readonly string[]>

type ForeignType = keyof typeof FOREIGN

const FOREIGN_VALUES = KEYS.flatMap((name) =>
  (Object.keys(FOREIGN) as ForeignType[])
    .filter((type) => type !== 'zset' || name === 'rows' || name === 'log')
    .map((type) => ({ name, type })),
)

/** Changes one row, by its kind and its place among those; where the rows are, because they are no text. */
const CHANGE_ROW = `
local names = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 1) == ARGV[1] then
    names[#names + 1] = name
  end
end
if #names == 0 then
  return 0
end
table.sort(names)
local what, at = ARGV[2], tonumber(ARGV[3])
local name = names[ARGV[5] % #names + 1]
local text = redis.call('HGET', KEYS[1], name)
if what == 'drop' then
  return redis.call('HDEL', KEYS[1], name)
elseif what == 'cut' then
  text = string.sub(text, 1, at % #text)
elseif what == 'flip' then
  at = at % #text
  text = string.sub(text, 1, at) .. string.char(ARGV[4]) .. string.sub(text, at + 2)
elseif what == 'pack' then
  text = cmsgpack.pack(unpack(cjson.decode(ARGV[4])))
else
  text = ARGV[4]
end
return redis.call('HSET', KEYS[1], name, text)`

/** Changes one member of an index, likewise. */
const CHANGE_INDEX = `
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local what = ARGV[2]
if what == 'add' then
  return redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
elseif #members == 0 then
  return 0
elseif what == 'drop' then
  return redis.call('ZREM', KEYS[1], members[ARGV[1] % #members + 1])
end
return redis.call('ZADD', KEYS[1], ARGV[3], members[ARGV[1] % #members + 1])`

const text = fc.constantFrom(
  '',
  '{',
  'null',
  '[]',
  '{}',
  '[1,9]',
  '[1,1,2]',
  '[1,2,3,"lost"]',
  '"x"',
  '-1',
  '0',
  '1e18',
  '9007199254740993',
  'nan',
  '\u0001',
  '\u007F',
  '\u00C1\u00FF',
  'x'.repeat(5000),
  '[1795466467046,1795466467046000,"x",null]',
)
/** A session that was told more than anybody could count. */
const BOUNDLESS = '[1,1,1500,1,9007199254740991,0,0,false,0,0]'

const packed = fc.constantFrom(
  BOUNDLESS,
  '[1]',
  '["x"]',
  '[1,2,3,4,5,6,7,8,9,10,11,12,13,14]',
  '[-1,-1,-1,-1,-1,-1]',
  // A session that was told more than anybody could count.
  '[1,1,1500,1,9007199254740991,0,0,false,0,0]',
  '[[[]]]',
)
const way = fc.oneof(
  fc.constant(['drop', 0, ''] as const),
  fc.tuple(fc.constant('cut'), fc.nat(400), fc.constant('')),
  fc.tuple(fc.constant('flip'), fc.nat(400), fc.nat(255).map(String)),
  fc.tuple(fc.constant('pack'), fc.constant(0), packed),
  fc.tuple(fc.constant('set'), fc.constant(0), text),
)
const rowChange = fc
  .tuple(fc.constantFrom('m', 's', 'a', 'o', 'r', 'n', 't', 'p'), way, fc.nat(9))
  .map(([kind, [what, at, value], place]) => [kind, what, at, value, place] as const)
const score = fc.constantFrom('-inf', '-1', '0', '1', '1e18', 'inf', '0.5')
const member = fc.constantFrom(
  '',
  'x',
  'xr:held',
  'xr:held\u0000',
  'xr:new\u0000nothing',
  '1',
  '-1',
  'nan',
  '0000000000000001',
)
const indexChange = fc.oneof(
  fc.tuple(fc.nat(99), fc.constant('drop'), score, fc.constant('')),
  fc.tuple(fc.nat(99), fc.constant('add'), score, member),
  fc.tuple(fc.nat(99), fc.constant('score'), score, fc.constant('')),
)
const indexName = fc.constantFrom(...INDEXES)
const logChange = fc.constantFrom<readonly string[]>(
  ['XADD', 'KEY', '9007199254740993-1', 'e', '[]'],
  ['XADD', 'KEY', '*', 'theirs', 'theirs'],
  ['XADD', 'KEY', '1000-5', 'e', '{'],
  ['XADD', 'KEY', '1000-1', 'f', '[1]'],
  ['XTRIM', 'KEY', 'MAXLEN', '0'],
  ['XTRIM', 'KEY', 'MAXLEN', '1'],
  ['DEL', 'KEY'],
)

function setScene(): Promise<Scene> {
  return Scene.set(() => redisStore(server.url))
}

function keyOf(namespace: string, name: string): string {
  return `holdfast:{${namespace}}:${name}`
}

describe('keys of another type, which somebody else has written', () => {
  test.each(FOREIGN_VALUES)('$type under $name, before the first lock: refused by name', async ({ name, type }) => {
    const namespace = `${type}-${name}`
    const key = keyOf(namespace, name)
    await server.command(...FOREIGN[type](key))
    const refusal = await Scene.set(() => redisStore(server.url), namespace).catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`${key} in Redis`) as string,
    })
    expect(await server.command('TYPE', key)).toBe(type)
    await server.command('DEL', key)
    const scene = await Scene.set(() => redisStore(server.url), namespace)
    await scene.serve()
    expect(await scene.end()).toMatchObject({ problems: [] })
  })

  test.each(FOREIGN_VALUES)('$type under $name, while locks are held: nothing by halves', async ({ name, type }) => {
    const scene = await setScene()
    const key = keyOf(scene.namespace, name)
    const aside = `${key}-aside`
    const wasThere = (await server.command('EXISTS', key)) === 1
    if (wasThere) await server.command('RENAME', key, aside)
    await server.command(...FOREIGN[type](key))
    await scene.play()
    expect(await server.command('TYPE', key)).toBe(type)
    await server.command('DEL', key)
    if (wasThere) await server.command('RENAME', aside, key)
    await scene.serve()
    expect(await scene.end()).toMatchObject({ problems: [], doubles: 0 })
    await scene.expectFree()
  })
})

test('the right to publish, which somebody has taken away: all goes on at the pace of heartbeats', async () => {
  await server.command('ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '&*', '+@all')
  const scene = await Scene.set(() => redisStore(server.url.replace('//', '//app:pw@')))
  await server.command('ACL', 'SETUSER', 'app', '-publish')
  await scene.serve()
  expect(await scene.end()).toMatchObject({ problems: [], refusals: [], doubles: 0 })
})

describe('rows that somebody else has written', () => {
  test('a row that is damaged: answered, or refused in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rowChange, { minLength: 1, maxLength: 3 }), async (changes) => {
        const scene = await setScene()
        const key = keyOf(scene.namespace, 'rows')
        for (const change of changes) await server.command('EVAL', CHANGE_ROW, 1, key, ...change)
        await scene.play()
        expect(await scene.end()).toMatchObject({ problems: [] })
      }),
      { numRuns: runs(0.4), endOnFailure: true },
    )
  })

  test('an index that is damaged: answered, or refused in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(indexName, indexChange), { minLength: 1, maxLength: 3 }), async (changes) => {
        const scene = await setScene()
        for (const [name, change] of changes) {
          await server.command('EVAL', CHANGE_INDEX, 1, keyOf(scene.namespace, name), ...change)
        }
        await scene.play()
        expect(await scene.end()).toMatchObject({ problems: [] })
      }),
      { numRuns: runs(0.4), endOnFailure: true },
    )
  })

  test('a log that is damaged: answered, or refused in words', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(logChange, async (change) => {
        const scene = await setScene()
        const key = keyOf(scene.namespace, 'log')
        await server.command(...change.map((word) => (word === 'KEY' ? key : word)))
        await scene.play()
        expect(await scene.end()).toMatchObject({ problems: [] })
      }),
      { numRuns: runs(0.1), endOnFailure: true },
    )
  })

  test('of a session with more messages than anybody could count: refused, not counted', async () => {
    const scene = await setScene()
    const key = keyOf(scene.namespace, 'rows')
    for (const place of [0, 1]) await server.command('EVAL', CHANGE_ROW, 1, key, 's', 'pack', 0, BOUNDLESS, place)
    await scene.play()
    const { problems, refusals, doubles } = await scene.end()
    expect({ problems, doubles }).toEqual({ problems: [], doubles: 0 })
    expect(refusals.some((each) => each.includes('a row that cannot be read'))).toBe(true)
  })

  test.each([0, 1, 126])('of layout %i, which another version has written: refused', async (layout) => {
    const scene = await setScene()
    await server.command('HSET', keyOf(scene.namespace, 'rows'), 'm', String.fromCharCode(layout))
    await scene.play()
    const { problems, refusals, doubles } = await scene.end()
    expect({ problems, doubles }).toEqual({ problems: [], doubles: 0 })
    expect(refusals[0]).toContain(`the layout ${layout} of another version`)
  })
})

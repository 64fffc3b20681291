import { describe, expect, test } from 'vitest'
import { InvalidRequestError } from '../../../src/core/errors.ts'
import { clientFor, type IoredisPackage } from '../../../src/stores/redis/connect.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { parseRedisUrl } from '../../../src/stores/redis/url.ts'

const PLAIN = { tls: false, username: undefined, password: undefined, db: 0, cluster: false, sentinel: undefined }

describe('the URL of a Redis store', () => {
  test.each([
    ['redis://localhost', { hosts: [{ host: 'localhost', port: 6379 }] }],
    ['redis://h:7000/3', { hosts: [{ host: 'h', port: 7000 }], db: 3 }],
    ['redis://h/', { hosts: [{ host: 'h', port: 6379 }] }],
    ['rediss://h', { hosts: [{ host: 'h', port: 6379 }], tls: true }],
    ['redis://[::1]:7000', { hosts: [{ host: '::1', port: 7000 }] }],
    ['redis://:p%40ss@h', { hosts: [{ host: 'h', port: 6379 }], password: 'p@ss' }],
    ['redis://u:p:q@h', { hosts: [{ host: 'h', port: 6379 }], username: 'u', password: 'p:q' }],
    ['redis://u@h', { hosts: [{ host: 'h', port: 6379 }], username: 'u' }],
    [
      'redis://a:1,b:2?cluster=true',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        cluster: true,
      },
    ],
    [
      'redis://u:p@a,b:2/1?sentinel=main',
      {
        hosts: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 2 },
        ],
        username: 'u',
        password: 'p',
        db: 1,
        sentinel: 'main',
      },
    ],
  ])('%s says where the server is, and how to get in', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...PLAIN, ...expected })
  })

  test.each([
    ['redis:', 'another form'],
    ['redis://', 'another form'],
    ['redis:h', 'another form'],
    ['redis://user:secret@secret@h', 'another form'],
    ['redis://:secret/secret@h', 'another form'],
    ['redis://h/x', 'another form'],
    ['redis://h:99999', 'a host is not written right'],
    ['redis://h:x', 'a host is not written right'],
    ['redis://a,b', 'several hosts need'],
    ['redis://h?cluster=yes', 'neither true nor false'],
    ['redis://h/1?cluster=true', 'no database but 0'],
    ['redis://h?cluster=true&sentinel=x', 'a Cluster and Sentinels'],
    ['redis://h?sentinel=', 'needs the name'],
    ['redis://h?password=secret', 'has the parameter'],
    ['redis://:secret%@h', 'encodes nothing'],
  ])('%s is refused, in words that do not repeat what may be secret', (url, why) => {
    const make = (): unknown => redisStore(url)
    expect(make).toThrow(InvalidRequestError)
    expect(make).toThrow(why)
    expect(make).not.toThrow(/secret/)
  })

  test('needs ioredis, and says how to get it', async () => {
    const load = (): Promise<IoredisPackage> =>
      Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }))
    await expect(clientFor(parseRedisUrl('redis://h'), undefined, load)).rejects.toThrow('npm install ioredis')
  })
})

describe('redisStore', () => {
  test.each<[string, unknown, unknown, string]>([
    ['what is no client', {}, {}, 'neither a URL nor a client'],
    ['nothing', undefined, {}, 'neither a URL nor a client'],
    ['an unknown option', 'redis://h', { perfix: 'x' }, 'perfix'],
    ['a prefix with a brace', 'redis://h', { prefix: 'a{b' }, 'prefix'],
    ['no shards', 'redis://h', { shards: 0 }, 'shards'],
    ['too many shards', 'redis://h', { shards: 257 }, 'at most 256'],
    ['a bare number of milliseconds', 'redis://h', { waitForReplicas: { count: 1, timeout: 100 } }, 'timeout'],
    ['no count of replicas', 'redis://h', { waitForReplicas: { timeout: '1s' } }, 'count'],
    ['a wait beyond callers’ patience', 'redis://h', { waitForReplicas: { count: 1, timeout: '6s' } }, 'too long'],
  ])('refuses %s at once', (_, where, options, why) => {
    const make = (): unknown => redisStore(where as string, options as object)
    expect(make).toThrow(InvalidRequestError)
    expect(make).toThrow(why)
  })
})

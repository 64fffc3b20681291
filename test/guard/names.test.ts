import { expect, test } from 'vitest'
import * as guard from '../../src/guard/index.ts'

/** What `holdfast/guard` exports at run time: adding or removing a name here is a change of the public API. */
const publicNames = [
  'assertHeld',
  'fenceColumnSql',
  'fenceHeader',
  'fencedFetch',
  'fencedHandler',
  'fencedListener',
  'fileFence',
  'fileKeeper',
  'guardedRedis',
  'guardedTable',
  'guardedUpdateFile',
  'guardedWriteFile',
  'memoryKeeper',
  'redisKeeper',
  'resetFileFence',
]

test('holdfast/guard exports exactly its public names', () => {
  expect(Object.keys(guard).toSorted()).toEqual(publicNames.toSorted())
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isResourceLockError, ResourceLockError } from '../../src/core/errors.ts'
import {
  claimText,
  parseClaim,
  parseClaims,
  parseResource,
  type ResourceInput,
} from '../../src/core/resource/resource.ts'
import { parseDuration } from '../../src/core/time/duration.ts'
import { openDriver, ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { anything, awkwardText, mostlyAn, runs } from './material.ts'

/** What a call gives, or the error that it fails with; any error but the library's own is a bug. */
async function outcomeOf<T>(call: () => T | Promise<T>): Promise<T | ResourceLockError> {
  try {
    return await call()
  } catch (error) {
    if (!isResourceLockError(error)) throw error
    expect(error.message).toMatch(/\w{3}/u)
    return error
  }
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of values) found.push(value)
  return found
}

describe('whatever is given', () => {
  test('as a resource is refused, or read as an id that reads as itself', async () => {
    await fc.assert(
      fc.asyncProperty(awkwardText(), async (written) => {
        const parsed = await outcomeOf(() => parseResource(written))
        if (parsed instanceof ResourceLockError) {
          expect(parsed.code).toBe('INVALID')
          return
        }
        expect(parseResource(claimText(parsed))).toEqual(parsed)
        expect(Buffer.byteLength(parsed.resourceId)).toBeLessThanOrEqual(1024)
        expect(parsed.resourceId.isWellFormed()).toBe(true)
      }),
      { numRuns: runs(20) },
    )
  })

  test('as several resources is refused, or read as claims of which none makes another needless', async () => {
    const input = fc.array(fc.oneof(awkwardText(), mostlyAn({ resourceId: awkwardText() }), anything), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const claims = await outcomeOf(() => parseClaims(given as ResourceInput[], 'exclusive'))
        if (claims instanceof ResourceLockError) {
          expect(claims.code).toBe('INVALID')
          return
        }
        expect(parseClaims(claims, 'exclusive')).toEqual(claims)
      }),
      { numRuns: runs(10) },
    )
  })

  test('as a single resource of any kind is refused, or canonical', async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (given) => {
        const claim = await outcomeOf(() => parseClaim(given as ResourceInput, 'shared'))
        expect(claim instanceof ResourceLockError || ['node', 'tree'].includes(claim.scope)).toBe(true)
      }),
      { numRuns: runs(10) },
    )
  })

  test('as a duration is refused, or whole milliseconds within the limits', async () => {
    const amount = fc.oneof(fc.double().map(String), fc.integer().map(String), awkwardText())
    const unit = fc.constantFrom('ms', 's', 'm', 'h', 'd', '', ' s', 'S', 'w')
    const given = fc.oneof(
      fc.tuple(amount, unit).map(([number, name]) => `${number}${name}`),
      fc.double(),
      anything,
    )
    await fc.assert(
      fc.asyncProperty(given, async (value) => {
        const ms = await outcomeOf(() => parseDuration(value, 'timeout', { minMs: 100, maxMs: 86_400_000 }))
        if (ms instanceof ResourceLockError) {
          expect(ms.code).toBe('INVALID')
          return
        }
        expect(Number.isSafeInteger(ms) && ms >= 100 && ms <= 86_400_000).toBe(true)
      }),
      { numRuns: runs(20) },
    )
  })

  test('as the URL of a store is refused without showing a password, or opens one', async () => {
    const scheme = fc.constantFrom('memory', 'sqlite', 'redis', 'rediss', 'postgres', 'etcd', 'http', '', 'SQLITE')
    const secret = 'Tr0ub4dor'
    const url = fc.oneof(
      awkwardText(),
      fc.tuple(scheme, awkwardText()).map(([name, rest]) => `${name}:${rest}`),
      fc.tuple(scheme, awkwardText()).map(([name, rest]) => `${name}://user:${secret}@${rest}`),
    )
    await fc.assert(
      fc.asyncProperty(url, async (given) => {
        const driver = await outcomeOf(() => openDriver(given))
        if (!(driver instanceof ResourceLockError)) {
          expect('open' in driver).toBe(true)
          return
        }
        expect(driver.code).toBe('INVALID')
        expect(driver.message).not.toContain(secret)
      }),
      { numRuns: runs(5) },
    )
  })
})

describe('a manager that is given anything', () => {
  test('as options of acquire refuses it, or gives a lock that works', async () => {
    const options = mostlyAn({
      agentId: fc.oneof(fc.constant('agent'), awkwardText()),
      timeout: fc.constantFrom('1s', '30s', '0.5s', 30, '', null, 'forever'),
      waitTimeout: fc.constantFrom(0, '1ms', -1, NaN, '1s ', null),
      mode: fc.constantFrom('shared', 'exclusive', 'Shared', null, 1),
      reason: awkwardText(),
      metadata: anything,
      autoExtend: fc.constantFrom(true, false, { maxHold: '1s' }, { maxHold: 1 }, {}, 'yes'),
      reentrant: fc.constantFrom(true, false, 1),
      holding: fc.oneof(fc.constant(undefined), anything),
      signal: fc.oneof(fc.constant(undefined), fc.constant(AbortSignal.abort('enough')), anything),
    })
    const locks = new ResourceLockManager({ store: memoryStore(), metrics: false })
    await fc.assert(
      fc.asyncProperty(awkwardText(), options, async (resource, given) => {
        const lock = await outcomeOf(() => locks.acquire(resource, given as never)).catch((error: unknown) => {
          // The reason of the signal that was given: the caller's own.
          if (error !== 'enough') throw error
          return undefined
        })
        if (lock === undefined || lock instanceof ResourceLockError) return
        expect(lock.isHeld).toBe(true)
        expect(await lock.release()).toBe(true)
      }),
      { numRuns: runs(10) },
    )
    expect(await all(locks.listLocks())).toEqual([])
    await locks.close()
  })

  test('as options of its other calls refuses it, or answers', async () => {
    const locks = new ResourceLockManager({ store: memoryStore(), metrics: false })
    const calls: readonly ((a: never, b: never) => unknown)[] = [
      (id) => locks.isLocked(id),
      (id) => locks.getOwner(id),
      (id) => locks.getLockInfo(id),
      (id, options) => locks.forceUnlock(id, options),
      (options) => all(locks.listLocks(options)),
      (options) => locks.findStaleLocks(options),
      (options) => locks.watch(options).next(),
    ]
    const given = fc.oneof(awkwardText(), anything)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: calls.length - 2 }), given, given, async (index, first, second) => {
        await outcomeOf(() => calls[index]?.(first as never, second as never))
      }),
      { numRuns: runs(10) },
    )
    await locks.close()
  })
})

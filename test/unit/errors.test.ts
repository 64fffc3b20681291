import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  ClosedError,
  DeadlockError,
  type ErrorCode,
  FencedOutError,
  InvalidRequestError,
  isResourceLockError,
  LockBusyError,
  LockLostError,
  LockTimeoutError,
  NotHeldError,
  ResourceLockError,
  StoreUnavailableError,
} from '../../src/core/errors.ts'
import type { Claim } from '../../src/core/model.ts'

const resources: readonly Claim[] = [{ resourceId: 'x:a', mode: 'exclusive', scope: 'node' }]

const all: readonly (readonly [ErrorCode, string, ResourceLockError])[] = [
  ['BUSY', 'LockBusyError', new LockBusyError('m', { resources })],
  ['WAIT_TIMEOUT', 'LockTimeoutError', new LockTimeoutError('m', { resources })],
  ['LOST', 'LockLostError', new LockLostError('m', { resources, loss: { kind: 'expired' } })],
  ['DEADLOCK', 'DeadlockError', new DeadlockError('m', { resources, cycle: [] })],
  ['NOT_HELD', 'NotHeldError', new NotHeldError('m', { resources })],
  ['FENCED_OUT', 'FencedOutError', new FencedOutError('m', { resources })],
  ['UNAVAILABLE', 'StoreUnavailableError', new StoreUnavailableError('m', { resources })],
  ['INVALID', 'InvalidRequestError', new InvalidRequestError('m', { resources })],
  ['CLOSED', 'ClosedError', new ClosedError('m', { resources })],
]

describe.each(all)('the error with code %s', (code, name, error) => {
  test('has the name of its class, in its stack too', () => {
    expect(error.name).toBe(name)
    expect(error.stack).toMatch(new RegExp(`^${name}: m\n`))
    expect(String(error)).toBe(`${name}: m`)
    expect(Object.keys(error)).not.toContain('name')
  })

  test('is an Error and a ResourceLockError', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(ResourceLockError)
    expect(error.code).toBe(code)
  })

  test('is known by its code, and by no other', () => {
    expect(isResourceLockError(error)).toBe(true)
    expect(all.map(([other]) => other).filter((other) => isResourceLockError(error, other))).toEqual([code])
  })

  test('says what was asked for, and has nothing else where there was nothing', () => {
    expect(error).toMatchObject({ resources, holders: [], ahead: 0 })
    expect('cause' in error).toBe(false)
  })
})

describe('an error of a user', () => {
  test('needs only a message', () => {
    const error = new ResourceLockError('no')
    expect(error).toMatchObject({ name: 'ResourceLockError', message: 'no', code: 'ERROR', resources: [] })
    expect(isResourceLockError(error)).toBe(true)
  })

  test('may have a code of its own and a cause', () => {
    const cause = new Error('why')
    const error = new ResourceLockError('no', { code: 'QUOTA', cause })
    expect(error.cause).toBe(cause)
    expect(isResourceLockError(error, 'QUOTA')).toBe(true)
    expect(isResourceLockError(error, 'BUSY')).toBe(false)
  })

  test('needs only a message where it is an InvalidRequestError', () => {
    expect(new InvalidRequestError('no')).toMatchObject({ code: 'INVALID', resources: [], holders: [], ahead: 0 })
  })
})

describe('isResourceLockError', () => {
  test('narrows to the class of the code', () => {
    const error: unknown = new LockLostError('m', { loss: { kind: 'forced', by: 'admin' } })
    expect.assert(isResourceLockError(error, 'LOST'))
    expectTypeOf(error).toEqualTypeOf<LockLostError>()
    expect(error.loss.by).toBe('admin')
    const other: unknown = new DeadlockError('m', { cycle: [] })
    expect.assert(isResourceLockError(other))
    expectTypeOf(other).toEqualTypeOf<ResourceLockError>()
  })

  test('knows an error of another copy of the package', async () => {
    const { LockBusyError: Other } = (await import(new URL('../../src/core/errors.ts?copy', import.meta.url).href)) as {
      LockBusyError: typeof LockBusyError
    }
    const error = new Other('m')
    expect(error).not.toBeInstanceOf(ResourceLockError)
    expect(isResourceLockError(error, 'BUSY')).toBe(true)
  })

  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const throwing = new LockBusyError('m')
  Object.defineProperty(throwing, 'code', {
    get() {
      throw new Error('no')
    },
  })
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'BUSY'],
    ['a function', () => 'BUSY'],
    ['an object that looks alike', { code: 'BUSY', name: 'LockBusyError' }],
    ['an Error with the code', Object.assign(new Error('m'), { code: 'BUSY' })],
    ['an object without a prototype', Object.create(null)],
    ['a revoked proxy', revoked.proxy],
    ['an error whose code cannot be read', throwing],
  ])('says no to %s, without throwing', (_what, value) => {
    expect(isResourceLockError(value, 'BUSY')).toBe(false)
  })
})

test('the brand is not printed', () => {
  expect(inspect(new LockBusyError('m'))).not.toContain('holdfast.error')
})

import { describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../../src/core/errors.ts'
import type { AcquireOptions } from '../../src/core/lock/request.ts'
import type { ManagerOptions } from '../../src/core/manager.ts'
import type { AcquireStep } from '../../src/core/store.ts'
import type { ResourceLockManager } from '../../src/open.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'
import { driverWithFaults, Faults } from '../support/faulty-store.ts'
import { failingDriver, failure, manager, managers, waitersOf } from '../support/managers.ts'

const agentId = 'agent-a'

/** The step that a call of acquire sends. */
async function stepOf(options: Partial<AcquireOptions> = {}): Promise<AcquireStep> {
  const faults = new Faults()
  const locks = manager({ store: driverWithFaults(memoryStore(), faults) })
  await locks.acquire('file:a.ts', { agentId, ...options })
  return faults.sent.flatMap(({ steps }) => steps).find((step) => step.type === 'acquire') as AcquireStep
}

describe('a manager', () => {
  test.for([
    [
      { store: 'carrier-pigeon:home' },
      /store: 'carrier-pigeon:home' is not the URL of a known store: known are memory:/,
    ],
    [{ store: 'pigeon://me:secret@home/1' }, /store: 'pigeon:\/\/home\/1' is not/],
    [{ store: 5 }, /store: 5/],
    [{ store: null }, /store: null/],
    [{ store: {} }, /store: \{\}/],
    [{ store: 'memory:shared' }, /memory:shared.*namespace/],
    [{ namespace: 'a/b' }, /namespace: 'a\/b' is not a name/],
    [{ namespace: '' }, /namespace: ''/],
    [{ namespace: 'a'.repeat(65) }, /namespace: .* 64/],
    [{ namespace: 5 }, /namespace: 5/],
    [{ heartbeat: '10ms' }, /heartbeat: '10ms' is too short/],
    [{ heartbeat: '1m' }, /heartbeat: '1m' is too long/],
    [{ heartbeat: 2000 }, /heartbeat: 2000 could mean '2000s' or '2000ms'/],
    [{ maxAgentLabels: 0, metrics: true }, /maxAgentLabels: 0/],
    [{ eventBus: {} }, /eventBus: \{\}/],
    [{ registry: {}, metrics: true }, /registry: \{\}/],
    [{ metrics: 'yes' }, /metrics: 'yes'/],
    [{ timeout: '5s' }, /'timeout' is not an option. Known are store/],
    [{ heartbeat: '3s' }, /heartbeat: '3s' is too long/],
  ])('refuses %o, when it connects', async ([options, message]) => {
    const locks = manager(options as ManagerOptions)
    for (const call of [() => locks.connect(), () => locks.acquire('x', { agentId })]) {
      const error = await failure(call)
      expect(error).toMatchObject({ code: 'INVALID', name: 'InvalidRequestError' })
      expect(error.message).toMatch(message as RegExp)
    }
  })

  test('needs no connect; connecting twice is connecting once', async () => {
    let opened = 0
    const memory = memoryStore()
    const store = { open: (name: string) => ((opened += 1), memory.open(name)) }
    const locks = manager({ store })
    await Promise.all([locks.acquire('x', { agentId }), locks.isLocked('y'), locks.connect()])
    await locks.connect()
    expect(opened).toBe(1)
  })

  test('tries again to connect after it failed', async () => {
    const locks = manager({ store: failingDriver(2, new StoreUnavailableError('The store is down.')) })
    expect(await failure(() => locks.connect())).toMatchObject({ code: 'UNAVAILABLE', message: 'The store is down.' })
    expect(await failure(() => locks.acquire('x', { agentId }))).toMatchObject({ code: 'UNAVAILABLE' })
    expect((await locks.acquire('x', { agentId })).isHeld).toBe(true)
  })

  test('keeps its options as they were given', async () => {
    const options = { store: memoryStore(), metrics: false, namespace: 'one' }
    const other = manager(options)
    const locks = manager(options)
    options.namespace = 'two'
    await locks.acquire('x', { agentId })
    expect(await other.isLocked('x')).toBe(true)
  })

  test('shares locks with those of the same store and namespace only', async () => {
    const store = memoryStore()
    const [a, b, c] = [manager({ store }), manager({ store }), manager({ store, namespace: 'other' })]
    await a.acquire('x', { agentId })
    expect(await b.isLocked('x')).toBe(true)
    expect(await c.isLocked('x')).toBe(false)
  })

  test('shares the one memory of the process under the URL memory:', async () => {
    const [a, b] = [manager({ store: 'memory:', namespace: 'url' }), manager({ store: 'memory://', namespace: 'url' })]
    await a.acquire('x', { agentId })
    expect(await b.isLocked('x')).toBe(true)
  })
})

describe('acquire', () => {
  test('asks by default for an exclusive lease of 30 s, and waits 10 s', async () => {
    expect(await stepOf()).toEqual({
      type: 'acquire',
      token: expect.any(String),
      agentId,
      claims: [{ resourceId: 'file:a.ts', mode: 'exclusive', scope: 'node' }],
      ttlMs: 30_000,
      waitMs: 10_000,
      chain: null,
      reentrant: false,
      holding: null,
      reason: null,
      metadata: null,
      maxHoldMs: null,
    })
  })

  test('asks for what its options say', async () => {
    const step = await stepOf({
      timeout: '1.5s',
      waitTimeout: 'forever',
      mode: 'shared',
      reason: 'why',
      metadata: { operation: 'modify' },
      autoExtend: { maxHold: '10m' },
      reentrant: true,
    })
    expect(step).toMatchObject({
      claims: [{ mode: 'shared' }],
      ttlMs: 1_500,
      waitMs: null,
      reason: 'why',
      metadata: '{"operation":"modify"}',
      maxHoldMs: 600_000,
      reentrant: true,
    })
    expect((await stepOf({ waitTimeout: 0 })).waitMs).toBe(0)
    expect((await stepOf({ timeout: '100ms' })).ttlMs).toBe(100)
    expect((await stepOf({ timeout: '24h' })).ttlMs).toBe(86_400_000)
    expect((await stepOf({ reason: 'é'.repeat(256) })).reason).toHaveLength(256)
  })

  test.for([
    [{ agentId: undefined }, /agentId: undefined is not a string/],
    [{ agentId: '' }, /agentId is empty: at least 1 byte/],
    [{ agentId: 'é'.repeat(129) }, /agentId: .* has 258 bytes: the limit is 256/],
    [{ timeout: 30 }, /timeout: 30 could mean '30s' or '30ms'/],
    [{ timeout: 0 }, /timeout: 0 is too short: at least 100ms and at most 24h|timeout: 0 is too short/],
    [{ timeout: '99ms' }, /timeout: '99ms' is too short: at least 100ms/],
    [{ timeout: '25h' }, /timeout: '25h' is too long/],
    [{ timeout: 'forever' }, /timeout: 'forever' is not a duration/],
    [{ timeout: '-1s' }, /timeout: '-1s' is negative/],
    [{ timeout: null }, /timeout: null/],
    [{ waitTimeout: 5 }, /waitTimeout: 5 could mean '5s' or '5ms'/],
    [{ waitTimeout: -1 }, /waitTimeout: -1 is negative/],
    [{ waitTimeout: Infinity }, /waitTimeout: Infinity .*'forever'/],
    [{ waitTimeout: '25h' }, /waitTimeout: '25h' is too long/],
    [{ mode: 'write' }, /'write' is not a mode: use 'exclusive' or 'shared'/],
    [{ reason: 5 }, /reason: 5 is not a string/],
    [{ reason: 'x'.repeat(513) }, /reason: .* has 513 bytes: the limit is 512/],
    [{ metadata: 'text' }, /metadata: 'text' is not an object/],
    [{ metadata: [1] }, /metadata: \[1\] is not an object/],
    [{ metadata: { text: 'x'.repeat(4096) } }, /metadata: .* bytes: the limit is 4096/],
    [{ metadata: { big: 1n } }, /metadata cannot be written as JSON/],
    [{ metadata: new Date() }, /metadata/],
    [{ autoExtend: 'yes' }, /autoExtend: 'yes' is neither true nor false/],
    [{ autoExtend: { maxHold: 600 } }, /autoExtend.maxHold: 600 could mean/],
    [{ autoExtend: {} }, /autoExtend/],
    [{ autoExtend: { maxhold: '10m' } }, /autoExtend.*maxhold/],
    [{ autoExtend: { maxHold: '10m', jitter: 1 } }, /autoExtend.*jitter/],
    [{ autoExtend: null }, /autoExtend: null/],
    [{ reentrant: 1 }, /reentrant: 1 is neither true nor false/],
    [{ holding: {} }, /holding: this is not a lock/],
    [{ signal: {} }, /signal: \{\} is not an AbortSignal/],
    [{ ttl: '30s' }, /'ttl' is not an option. Known are agentId, timeout/],
  ])('refuses %o, naming the value and the rule', async ([options, message]) => {
    const locks = manager()
    const given = { agentId, ...(options as object) } as AcquireOptions
    const calls = [
      () => locks.acquire('x', given),
      () => locks.withLock('x', given, () => {}),
      () => locks.agent('a').acquire('x', { ...(options as object) }),
      ...('waitTimeout' in given ? [] : [() => locks.tryAcquire('x', given)]),
    ]
    if ('agentId' in (options as object)) calls.splice(2, 1)
    for (const call of calls) {
      const error = await failure(call)
      expect(error).toMatchObject({ code: 'INVALID' })
      expect(error.message).toMatch(message as RegExp)
    }
    expect(await locks.isLocked('x')).toBe(false)
  })

  test.for([undefined, null, 5, 'agent'])('refuses %o for its options, and says what it needs', async (options) => {
    const locks = manager()
    const wrong = options as unknown as AcquireOptions
    for (const call of [() => locks.acquire('x', wrong), () => locks.tryAcquire('x', wrong)]) {
      const error = await failure(call)
      expect(error).toMatchObject({ code: 'INVALID', message: expect.stringMatching(/give at least \{ agentId: /) })
    }
  })

  test.for([[[]], [''], [':x'], ['file:../x'], ['file:/x'], [5], [{ id: 'x' }], [{ resourceId: 'x', level: 1 }]])(
    'refuses %o for its resources',
    async ([resources]) => {
      const error = await failure(() => manager().acquire(resources as string, { agentId }))
      expect(error).toMatchObject({ code: 'INVALID' })
    },
  )

  test('takes 128 resources and no more', async () => {
    const locks = manager()
    const names = Array.from({ length: 129 }, (_, index) => `x:${index}`)
    expect((await locks.acquire(names.slice(1), { agentId })).resources).toHaveLength(128)
    expect((await failure(() => locks.acquire(names, { agentId }))).message).toMatch(/129 .*limit is 128/)
  })

  test('takes several resources all together or not at all', async () => {
    const [a, b] = managers(2) as [ResourceLockManager, ResourceLockManager]
    const first = await a.acquire('file:b.ts', { agentId: 'first' })
    const both = b.acquire(['file:a.ts', { resourceId: 'file:b.ts', mode: 'shared' }, 'file:docs/**'], { agentId })
    await waitersOf(a, 'file:b.ts', 1)
    expect(await a.isLocked('file:a.ts')).toBe(false)
    await first.release()
    const lock = await both
    expect(lock.resources).toEqual([
      { resourceId: 'file:a.ts', mode: 'exclusive', scope: 'node' },
      { resourceId: 'file:b.ts', mode: 'shared', scope: 'node' },
      { resourceId: 'file:docs', mode: 'exclusive', scope: 'tree' },
    ])
    expect(await a.isLocked('file:docs/deep/inside.md')).toBe(true)
    await lock.release()
    expect(await a.isLocked('file:docs/deep/inside.md')).toBe(false)
  })

  test('fails at once as busy with waitTimeout 0, and says who, why, since and until when', async () => {
    const [a, b] = managers(2) as [ResourceLockManager, ResourceLockManager]
    const held = await a.acquire('file:a.ts', { agentId: 'holder', reason: 'Modifying it', metadata: { step: 1 } })
    const waiting = a.acquire('file:a.ts', { agentId: 'waiter' })
    await waitersOf(a, 'file:a.ts', 1)
    const error = await failure(() => b.acquire('file:a.ts', { agentId, waitTimeout: 0 }))
    expect(error).toMatchObject({
      name: 'LockBusyError',
      code: 'BUSY',
      resources: [{ resourceId: 'file:a.ts', mode: 'exclusive', scope: 'node' }],
      ahead: 1,
      holders: [
        {
          resourceId: 'file:a.ts',
          agentId: 'holder',
          reason: 'Modifying it',
          metadata: { step: 1 },
          lockedAt: held.lockedAt,
          expiresAt: expect.any(Date),
          fencingToken: held.fencingToken,
          waiters: 1,
        },
      ],
    })
    expect(error.message).toMatch(/holder holds file:a.ts \(exclusive, reason: 'Modifying it'\) since 2.* until 2/)
    expect(await b.tryAcquire('file:a.ts', { agentId })).toBeNull()
    await held.release()
    await (await waiting).release()
  })

  test('fails after waitTimeout, and says the same', async () => {
    const [a, b] = managers(2) as [ResourceLockManager, ResourceLockManager]
    await a.acquire('file:**', { agentId: 'holder', mode: 'shared' })
    const error = await failure(() => b.acquire('file:a.ts', { agentId, waitTimeout: '20ms' }))
    expect(error).toMatchObject({
      name: 'LockTimeoutError',
      code: 'WAIT_TIMEOUT',
      holders: [{ agentId: 'holder', resourceId: 'file:', scope: 'tree', mode: 'shared' }],
      ahead: 0,
    })
    expect(error.message).toMatch(/file:a.ts did not become free within 20ms: holder holds file:\*\*/)
  })
})

describe('tryAcquire', () => {
  test('gives the lock, or null', async () => {
    const locks = manager()
    const lock = await locks.tryAcquire('x', { agentId })
    expect(lock?.isHeld).toBe(true)
    expect(await locks.tryAcquire('x', { agentId })).toBeNull()
    await lock?.release()
    expect((await locks.tryAcquire('x', { agentId }))?.isHeld).toBe(true)
  })

  test('never waits, and refuses an option that says so', async () => {
    const options = { agentId, waitTimeout: '5s' } as const
    const error = await failure(() => manager().tryAcquire('x', options))
    expect(error).toMatchObject({ code: 'INVALID', message: expect.stringMatching(/tryAcquire.*'waitTimeout'/) })
  })
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { EventType, LockEvent } from '../../src/core/model.ts'
import { EventBus, getEventBus } from '../../src/core/reporting/eventbus.ts'

const event = (type: EventType = 'resource.locked'): LockEvent => ({
  type,
  at: new Date(),
  agentId: 'a',
  resources: [],
})

afterEach(() => void vi.restoreAllMocks())

const warningWith = (detail: string): unknown =>
  expect.objectContaining({
    type: 'HoldfastWarning',
    code: 'HOLDFAST_EVENT_HANDLER',
    detail: expect.stringContaining(detail) as unknown,
  })

/** A bus, and what its `onError` was told. */
function watchedBus(): { bus: EventBus; failures: unknown[]; failed: () => Promise<unknown> } {
  const failures: unknown[] = []
  let wake = (): void => {}
  const bus = new EventBus({
    onError: (error) => {
      failures.push(error)
      wake()
    },
  })
  const failed = (): Promise<void> => new Promise((resolve) => (wake = resolve))
  return { bus, failures, failed }
}

describe('an event bus', () => {
  test('hands an event to those who subscribed to its type or to all, in their order, before publish returns', () => {
    const bus = new EventBus()
    const seen: string[] = []
    bus.subscribe('*', ({ type }) => seen.push(`all ${type}`))
    bus.subscribe('resource.locked', ({ type }) => seen.push(`first ${type}`))
    bus.subscribe('resource.locked', ({ type }) => seen.push(`second ${type}`))
    bus.subscribe('resource.unlocked', ({ type }) => seen.push(`other ${type}`))
    bus.publish(event())
    expect(seen).toEqual(['first resource.locked', 'second resource.locked', 'all resource.locked'])
  })

  test('stops handing out when told so, even in the middle of an event', () => {
    const bus = new EventBus()
    const seen: number[] = []
    bus.subscribe('*', () => end())
    const end = bus.subscribe('*', () => seen.push(1))
    bus.subscribe('*', () => seen.push(2))
    bus.publish(event())
    bus.publish(event())
    expect(seen).toEqual([2, 2])
  })

  test('calls a handler once per subscription, and ends each by itself', () => {
    const bus = new EventBus()
    let calls = 0
    const count = (): void => void calls++
    const end = bus.subscribe('*', count)
    bus.subscribe('*', count)
    bus.publish(event())
    expect(calls).toBe(2)
    end()
    end()
    bus.publish(event())
    expect(calls).toBe(3)
  })

  test('does not hand an event to who subscribes while it is handed out', () => {
    const bus = new EventBus()
    const seen: string[] = []
    bus.subscribe('*', () => bus.subscribe('*', () => seen.push('late')))
    bus.publish(event())
    expect(seen).toEqual([])
    bus.publish(event())
    expect(seen).toEqual(['late'])
  })

  test('says whether an event would reach anybody', () => {
    const bus = new EventBus()
    expect(bus.hasSubscribers('resource.locked')).toBe(false)
    const end = bus.subscribe('resource.locked', () => {})
    expect(bus.hasSubscribers('resource.locked')).toBe(true)
    expect(bus.hasSubscribers('resource.expired')).toBe(false)
    end()
    expect(bus.hasSubscribers('resource.locked')).toBe(false)
    bus.subscribe('*', () => {})
    expect(bus.hasSubscribers('resource.expired')).toBe(true)
  })

  test('publishes to nobody for next to nothing', () => {
    const bus = new EventBus()
    const one = event()
    const startMs = performance.now()
    for (let i = 0; i < 100_000; i++) bus.publish(one)
    expect((performance.now() - startMs) / 100_000).toBeLessThan(0.005)
  })

  test('runs a handler in the async context of its subscriber, not of the publisher', () => {
    const context = new AsyncLocalStorage<string>()
    const bus = new EventBus()
    const seen: unknown[] = []
    context.run('subscriber', () => bus.subscribe('*', () => seen.push(context.getStore())))
    bus.subscribe('*', () => seen.push(context.getStore()))
    context.run('publisher', () => bus.publish(event()))
    expect(seen).toEqual(['subscriber', undefined])
  })
})

describe('a handler that fails', () => {
  test('stops neither the others nor the publisher, and is reported', () => {
    const { bus, failures } = watchedBus()
    const error = new Error('handler')
    const seen: string[] = []
    bus.subscribe('*', () => {
      throw error
    })
    bus.subscribe('*', () => seen.push('other'))
    bus.publish(event())
    expect(seen).toEqual(['other'])
    expect(failures).toEqual([error])
  })

  test('later is reported as well', async () => {
    const { bus, failures, failed } = watchedBus()
    const error = new Error('later')
    bus.subscribe('*', () => Promise.reject(error))
    const reported = failed()
    bus.publish(event())
    await reported
    expect(failures).toEqual([error])
  })

  test('is reported each time, with the event', () => {
    const seen: LockEvent[] = []
    const bus = new EventBus({ onError: (_error, failedOn) => seen.push(failedOn) })
    bus.subscribe('*', () => {
      throw new Error('always')
    })
    const [one, two] = [event(), event('resource.expired')]
    bus.publish(one)
    bus.publish(two)
    expect(seen).toEqual([one, two])
  })

  test('is one process warning per handler where nobody listens', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const bus = new EventBus()
    bus.subscribe('*', () => {
      throw new Error('quiet')
    })
    bus.subscribe('*', () => Promise.reject(new Error('loud')))
    bus.publish(event())
    bus.publish(event())
    await vi.waitUntil(() => warn.mock.calls.length >= 2)
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining("failed on 'resource.locked'"), warningWith('quiet')],
      [expect.stringContaining("failed on 'resource.locked'"), warningWith('loud')],
    ])
  })

  const rows: readonly (readonly [string, () => unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('worse')
      },
    ],
    ['rejects', () => Promise.reject(new Error('worse'))],
  ]
  test.each(rows)('is a process warning where onError itself %s', async (_how, onError) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const bus = new EventBus({ onError })
    bus.subscribe('*', () => {
      throw new Error('handler')
    })
    bus.publish(event())
    await vi.waitUntil(() => warn.mock.calls.length > 0)
    expect(warn.mock.calls).toEqual([[expect.any(String), warningWith('worse')]])
  })
})

describe('the event bus of the process', () => {
  test('is always the same', () => {
    expect(getEventBus()).toBe(getEventBus())
    expect(getEventBus()).toBeInstanceOf(EventBus)
  })

  test('is the same for another copy of the package', async () => {
    const copy = (await import(new URL('../../src/core/reporting/eventbus.ts?copy', import.meta.url).href)) as {
      getEventBus: typeof getEventBus
      EventBus: unknown
    }
    expect(copy.EventBus).not.toBe(EventBus)
    expect(copy.getEventBus()).toBe(getEventBus())
  })
})

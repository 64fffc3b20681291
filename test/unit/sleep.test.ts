import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sleep } from '../../src/core/time/sleep.ts'

describe('sleep', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const isOver = async (promise: Promise<void>, afterMs: number): Promise<boolean> => {
    let over = false
    void promise.then(() => (over = true))
    await vi.advanceTimersByTimeAsync(afterMs)
    return over
  }

  test('lasts as long as it says', async () => {
    const slept = sleep(100)
    expect(await isOver(slept, 99)).toBe(false)
    expect(await isOver(slept, 1)).toBe(true)
  })

  test('may last longer than a Node timer can', async () => {
    const month = 30 * 86_400_000
    const slept = sleep(month)
    expect(await isOver(slept, month - 1)).toBe(false)
    expect(await isOver(slept, 1)).toBe(true)
  })

  test('leaves neither timer nor listener when it is over', async () => {
    const { signal } = new AbortController()
    const slept = sleep(100, signal)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(await isOver(slept, 100)).toBe(true)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends with the reason of its signal, and leaves nothing then either', async () => {
    const controller = new AbortController()
    const slept = sleep(Infinity, controller.signal)
    controller.abort('enough')
    await expect(slept).rejects.toBe('enough')
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('does not begin where the signal is aborted already', async () => {
    const signal = AbortSignal.abort('before')
    await expect(sleep(100, signal)).rejects.toBe('before')
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

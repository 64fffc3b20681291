import { redisStore, ResourceLockManager } from 'holdfast'
import { Redis } from 'ioredis'
import type { Open } from '../compare/contender.ts'
import { openHoldfast } from '../compare/holdfast.ts'
import { openRedisSemaphore, openRedlock, openVerrou } from '../peers/redis.ts'
import { openFloor, openQueueFloor } from './floors.ts'

/** How long every contender asks for, in milliseconds. */
export const LEASE_MS = 30_000

/** What is compared, by name. */
export const CONTENDERS = {
  floor: { title: 'floor: SET NX, compare and delete', open: openFloor },
  queue: { title: 'floor: queue and direct grant', open: openQueueFloor },
  holdfast: { title: 'holdfast', open: (port) => openHoldfast(openManager(port, true)) },
  bare: { title: 'holdfast without events', open: (port) => openHoldfast(openManager(port, false)) },
  semaphore: { title: 'redis-semaphore', open: openRedisSemaphore },
  verrou: { title: '@verrou/core', open: openVerrou },
  redlock: { title: 'redlock 5 beta', open: openRedlock },
} as const satisfies Record<string, { readonly title: string; readonly open: Open<number> }>

export type ContenderName = keyof typeof CONTENDERS

/** Those that are compared where nobody waits. */
export const LIBRARIES = [
  'floor',
  'holdfast',
  'bare',
  'semaphore',
  'verrou',
  'redlock',
] as const satisfies ContenderName[]

/** Those that are compared where many wait in one line. */
export const IN_LINE = ['queue', 'holdfast', 'semaphore', 'verrou', 'redlock'] as const satisfies ContenderName[]

/** A manager as most will use it; without `events` its store keeps no log and remembers no earlier holder. */
export function openManager(port: number, events: boolean): ResourceLockManager {
  const limits = events ? {} : { events: 0, previous: 0 }
  return new ResourceLockManager({ store: redisStore(`redis://127.0.0.1:${port}`, { limits }), metrics: false })
}

/** Commands for the benchmark itself. */
export function openAdmin(port: number): Redis {
  return new Redis({ host: '127.0.0.1', port })
}

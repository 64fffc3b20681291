import { postgresStore, ResourceLockManager, type SynchronousCommit } from 'holdfast'
import pg from 'pg'
import type { Open } from '../compare/contender.ts'
import { openHoldfast } from '../compare/holdfast.ts'
import { openVerrouKnex } from '../peers/postgres.ts'
import { openAdvisory, openNotifyFloor, openRowFloor } from './floors.ts'

/** How long every contender asks for, in milliseconds. */
export const LEASE_MS = 30_000

/** Connections that each contender may have for its commands. */
export const POOL = 10

/** What is compared, by name; each is given the URL of a database. */
export const CONTENDERS = {
  floor: { title: 'floor: a row', open: (url) => openRowFloor(url, 'on') },
  floorOff: { title: 'floor: a row, commit off', open: (url) => openRowFloor(url, 'off') },
  notify: { title: 'floor: a line of rows and NOTIFY', open: openNotifyFloor },
  advisory: { title: 'pg_try_advisory_lock', open: openAdvisory },
  holdfast: { title: 'holdfast', open: (url) => openHoldfast(openManager(url, 'on')) },
  holdfastOff: { title: 'holdfast, commit off', open: (url) => openHoldfast(openManager(url, 'off')) },
  verrou: { title: '@verrou/core with knex', open: openVerrouKnex },
} as const satisfies Record<string, { readonly title: string; readonly open: Open<string> }>

export type ContenderName = keyof typeof CONTENDERS

/** Those that are compared where nobody waits. */
export const LIBRARIES = [
  'floor',
  'floorOff',
  'advisory',
  'holdfast',
  'holdfastOff',
  'verrou',
] as const satisfies ContenderName[]

/** Those that are compared where many wait in one line. */
export const IN_LINE = ['notify', 'holdfast'] as const satisfies ContenderName[]

/** A manager as most will use it. */
export function openManager(url: string, synchronousCommit: SynchronousCommit): ResourceLockManager {
  return new ResourceLockManager({ store: postgresStore(url, { synchronousCommit, pool: POOL }), metrics: false })
}

/** Connections for the benchmark itself, and for the floors. */
export function openPool(url: string, settings = ''): pg.Pool {
  return new pg.Pool({ connectionString: url, max: POOL, options: settings })
}

import type { Opened } from '../compare/contender.ts'
import { LEASE_MS, POOL } from '../postgres/contenders.ts'
import { peer } from './peer.ts'

/** What is used of each peer. */
interface Verrou {
  readonly Verrou: new (options: object) => { createLock(key: string, ttl: number): Lockable }
}

interface VerrouKnex {
  readonly knexStore: (options: object) => unknown
}

interface Knex {
  readonly default: (options: object) => { destroy(): Promise<void> }
}

interface Lockable {
  acquire(): Promise<unknown>
  release(): Promise<unknown>
}

export async function openVerrouKnex(url: string): Promise<Opened> {
  const { Verrou } = await peer<Verrou>('@verrou/core')
  const { knexStore } = await peer<VerrouKnex>('@verrou/core/drivers/knex')
  const { default: knex } = await peer<Knex>('knex')
  const connection = knex({ client: 'pg', connection: url, pool: { min: 0, max: POOL } })
  const driver = knexStore({ connection, tableName: 'verrou_locks', autoCreateTable: true })
  const locks = new Verrou({ default: 'knex', stores: { knex: { driver } } })
  return {
    async acquire(resource) {
      const lock = locks.createLock(resource, LEASE_MS)
      if ((await lock.acquire()) === false) throw new Error(`@verrou/core gave up on ${resource}`)
      return () => lock.release()
    },
    close: () => connection.destroy(),
  }
}

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Opened } from '../compare/contender.ts'
import { LEASE_MS, openPool } from './contenders.ts'

const TABLES = `
CREATE TABLE IF NOT EXISTS bench_rows (resource text PRIMARY KEY, token text NOT NULL, until timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS bench_line (
  place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, resource text NOT NULL, token text NOT NULL, channel text NOT NULL
);
CREATE INDEX IF NOT EXISTS bench_line_resource ON bench_line (resource, place);
CREATE OR REPLACE FUNCTION bench_join(asked text, asker text, heard text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(asked));
  INSERT INTO bench_line (resource, token, channel) VALUES (asked, asker, heard);
  RETURN (SELECT token = asker FROM bench_line WHERE resource = asked ORDER BY place LIMIT 1);
END $$;
CREATE OR REPLACE FUNCTION bench_hand_over(asked text, asker text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(asked));
  DELETE FROM bench_line WHERE resource = asked AND token = asker;
  PERFORM pg_notify(channel, token) FROM (
    SELECT channel, token FROM bench_line WHERE resource = asked ORDER BY place LIMIT 1
  ) AS next;
END $$;`

const INSERT = `
INSERT INTO bench_rows (resource, token, until) VALUES ($1, $2, now() + $3 * interval '1 millisecond')
ON CONFLICT (resource) DO UPDATE SET token = excluded.token, until = excluded.until WHERE bench_rows.until < now()`
const DELETE = 'DELETE FROM bench_rows WHERE resource = $1 AND token = $2'

export async function prepareFloors(url: string): Promise<void> {
  const pool = openPool(url)
  await pool.query(TABLES)
  await pool.end()
}

/** The least that a lease on Postgres can cost: a row that is there or not. No line, no event, no token that orders. */
export async function openRowFloor(url: string, synchronousCommit: 'on' | 'off'): Promise<Opened> {
  const pool = openPool(url, `-c synchronous_commit=${synchronousCommit}`)
  return {
    async acquire(resource) {
      const token = randomUUID()
      const values = [resource, token, LEASE_MS]
      while ((await pool.query({ name: 'take', text: INSERT, values })).rowCount !== 1) await sleep(5)
      return () => pool.query({ name: 'give back', text: DELETE, values: [resource, token] })
    },
    close: () => pool.end(),
  }
}

/** The locks that Postgres has itself: they belong to a connection, which each holder keeps for himself. */
export async function openAdvisory(url: string): Promise<Opened> {
  const pool = openPool(url)
  const lock = { name: 'lock', text: 'SELECT pg_try_advisory_lock(hashtext($1)) AS held' }
  const unlock = { name: 'unlock', text: 'SELECT pg_advisory_unlock(hashtext($1))' }
  return {
    async acquire(resource) {
      const client = await pool.connect()
      while ((await client.query<{ held: boolean }>({ ...lock, values: [resource] })).rows[0]?.held !== true) {
        await sleep(5)
      }
      return async () => {
        await client.query({ ...unlock, values: [resource] })
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

/** The least that a fair hand-over can cost: whoever releases notifies the next. */
export async function openNotifyFloor(url: string): Promise<Opened> {
  const pool = openPool(url)
  const listener = new pg.Client({ connectionString: url })
  await listener.connect()
  const channel = `bench_${randomUUID().replaceAll('-', '')}`
  const waiting = new Map<string, () => void>()
  listener.on('notification', ({ payload = '' }) => {
    waiting.get(payload)?.()
    waiting.delete(payload)
  })
  await listener.query(`LISTEN ${channel}`)
  const join = { name: 'join', text: 'SELECT bench_join($1, $2, $3) AS held' }
  const handOver = { name: 'hand over', text: 'SELECT bench_hand_over($1, $2)' }
  return {
    async acquire(resource) {
      const token = randomUUID()
      const granted = new Promise<void>((resolve) => waiting.set(token, resolve))
      const { rows } = await pool.query<{ held: boolean }>({ ...join, values: [resource, token, channel] })
      if (rows[0]?.held === true) waiting.delete(token)
      else await granted
      return () => pool.query({ ...handOver, values: [resource, token] })
    },
    async close() {
      await listener.end()
      await pool.end()
    },
  }
}

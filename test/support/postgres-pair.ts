import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './polling.ts'
import { PostgresServer, type PostgresServerOptions } from './postgres-server.ts'

const SOCKET = '.s.PGSQL.5432'
const DEADLINE_MS = 30_000

/** A primary and a standby that follows it by streaming replication, behind an address that a fail-over moves. */
export class PostgresPair {
  readonly primary: PostgresServer
  readonly standby: PostgresServer
  /** The socket in it is a link to that of whoever is the primary. */
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'holdfast-pair-'))

  private constructor(primary: PostgresServer, standby: PostgresServer) {
    this.primary = primary
    this.standby = standby
    this.#leadTo(primary)
  }

  /**
   * Starts both. Resolves once the standby follows.
   *
   * @param synchronous whether the primary waits for the standby with each commit
   */
  static async start(synchronous: boolean, options: PostgresServerOptions = {}): Promise<PostgresPair> {
    const primary = await PostgresServer.start(options)
    const pair = new PostgresPair(primary, await PostgresServer.start({ ...options, follows: primary }))
    if (synchronous) await set(primary, 'synchronous_standby_names', '*')
    await pair.untilFollowing(synchronous ? 'sync' : 'async')
    return pair
  }

  /** Leads to the primary, whichever of the two that is. */
  get url(): string {
    return `postgres://postgres@/postgres?host=${encodeURIComponent(this.#folder)}&port=5432`
  }

  /** Resolves once the standby follows, in one of these ways. */
  async untilFollowing(state: 'sync' | 'async'): Promise<void> {
    await until(
      `the standby follows (${state})`,
      async () => {
        const [follower] = await this.primary.run<{ sync_state: string }>('SELECT sync_state FROM pg_stat_replication')
        return follower?.sync_state === state
      },
      DEADLINE_MS,
    )
  }

  /** Resolves once the standby has all that the primary has written until now. */
  async replicated(): Promise<void> {
    const [position] = await this.primary.run<{ at: string }>('SELECT pg_current_wal_lsn()::text AS at')
    await until(
      'the standby has it all',
      async () => {
        const text = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS has'
        const [answer] = await this.standby.run<{ has: boolean }>(text, [position?.at])
        return answer?.has === true
      },
      DEADLINE_MS,
    )
  }

  /** From now on the standby gets nothing. Gives what undoes that. */
  async stopReplication(): Promise<() => Promise<void>> {
    const [{ to } = { to: '' }] = await this.standby.run<{ to: string }>(
      `SELECT current_setting('primary_conninfo') AS to`,
    )
    await set(this.standby, 'primary_conninfo', '')
    await until(
      'the standby is cut off',
      async () => (await this.primary.run('SELECT 1 FROM pg_stat_replication')).length === 0,
      DEADLINE_MS,
    )
    return () => set(this.standby, 'primary_conninfo', to)
  }

  /** The primary is killed, and the standby takes its place. */
  async failOver(): Promise<void> {
    await this.primary.crash()
    await this.standby.run('SELECT pg_promote(true, 60)')
    // It need not wait for a standby that it does not have.
    await set(this.standby, 'synchronous_standby_names', '')
    this.#leadTo(this.standby)
  }

  async dispose(): Promise<void> {
    await this.standby.dispose()
    await this.primary.dispose()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #leadTo(server: PostgresServer): void {
    rmSync(join(this.#folder, SOCKET), { force: true })
    symlinkSync(join(server.folder, `.s.PGSQL.${server.port}`), join(this.#folder, SOCKET))
  }
}

/** Changes a setting of a running server. */
async function set(server: PostgresServer, name: string, value: string): Promise<void> {
  await server.run(`ALTER SYSTEM SET ${name} = '${value.replaceAll("'", "''")}'`)
  await server.run('SELECT pg_reload_conf()')
}

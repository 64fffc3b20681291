import { DatabaseSync } from 'node:sqlite'

/**
 * The least that a lock in a SQLite file can cost: one immediate transaction that inserts a lease, and one that deletes
 * it. No line, no events, no tokens, no answer that survives; whoever finds the file locked is put to sleep by SQLite.
 */
export class SqliteFloor {
  readonly #database: DatabaseSync
  readonly #steps: readonly { run(...values: (string | number)[]): unknown }[]
  #fence = 0

  constructor(file: string) {
    this.#database = new DatabaseSync(file)
    this.#database.exec('PRAGMA busy_timeout = 5000')
    this.#database.exec('PRAGMA journal_mode = WAL')
    this.#database.exec('PRAGMA synchronous = OFF')
    this.#database.exec(
      `CREATE TABLE IF NOT EXISTS leases (
         resource_id TEXT PRIMARY KEY, agent_id TEXT, fence INTEGER, expires_at INTEGER
       ) WITHOUT ROWID`,
    )
    this.#steps = [
      'BEGIN IMMEDIATE',
      'INSERT INTO leases VALUES (?, ?, ?, ?)',
      'COMMIT',
      'DELETE FROM leases WHERE resource_id = ?',
    ].map((sql) => this.#database.prepare(sql))
  }

  pair(resource: string): void {
    const [begin, insert, commit, remove] = this.#steps
    this.#fence += 1
    begin?.run()
    insert?.run(resource, 'bench', this.#fence, Date.now() + 30_000)
    commit?.run()
    begin?.run()
    remove?.run(resource)
    commit?.run()
  }

  close(): void {
    this.#database.close()
  }
}

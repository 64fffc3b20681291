import { randomBytes } from 'node:crypto'
import { StoreUnavailableError } from '../../core/errors.ts'
import type { ClockIdentity } from './clock.ts'
import type { Database } from './engine.ts'
import { APPLICATION_ID, MIGRATIONS, PAGE_SIZE } from './schema.ts'

/** Whose clock the times in the file are of, and when it was last written. */
export interface Origin {
  readonly identity: ClockIdentity
  readonly now: number
  readonly wallNow: number
}

/**
 * Makes the tables if the file is new, and brings those of an older version up to date. Any number of processes may do
 * so at once: whoever comes second finds it done, or is refused as busy and tries again.
 *
 * @throws StoreUnavailableError for a file that is not Holdfast's or is of a later version; it is not touched.
 */
export function prepareFile(database: Database, file: string, origin: Origin): void {
  if (versionOf(database, file) === MIGRATIONS.length) return setUp(database)
  if (versionOf(database, file) === 0) database.exec(`PRAGMA page_size = ${PAGE_SIZE}`)
  // Not possible inside a transaction. It waits for nobody: who is in the way makes it fail as busy.
  const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.[0]
  if (mode !== 'wal') throw withoutWal(file)
  setUp(database)
  database.exec('BEGIN IMMEDIATE')
  try {
    const version = versionOf(database, file)
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration)
    if (version === 0) insertNamespace(database, origin)
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`)
  } catch (error) {
    database.rollback()
    throw error
  }
}

/** For this connection only. Leases end with the boot, so nothing has to survive more than a crash of the process. */
function setUp(database: Database): void {
  database.exec('PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY')
}

/** 0 for a file that has nothing in it yet. */
function versionOf(database: Database, file: string): number {
  const id = Number(database.prepare('PRAGMA application_id').get()?.[0])
  const version = Number(database.prepare('PRAGMA user_version').get()?.[0])
  if (id === APPLICATION_ID && version <= MIGRATIONS.length) return version
  if (id === APPLICATION_ID) {
    throw new StoreUnavailableError(
      `${file} was made by a later version of Holdfast (its tables have version ${version}, this one knows ${MIGRATIONS.length}). Upgrade holdfast here too, or name another file. Nothing was changed.`,
    )
  }
  const isEmpty = database.prepare('SELECT count(*) FROM sqlite_schema').get()?.[0] === 0
  if (id === 0 && version === 0 && isEmpty) return 0
  throw new StoreUnavailableError(
    `${file} is a database of something else, not a lock file of Holdfast. Name another file. Nothing was changed.`,
  )
}

function withoutWal(file: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `${file} is on a file system on which SQLite cannot share memory between processes (no WAL mode). Name a file on a disk of this machine.`,
  )
}

function insertNamespace(database: Database, { identity, now, wallNow }: Origin): void {
  database
    .prepare(
      `INSERT INTO namespace (only_row, epoch, boot, clock, last_id, last_fence, last_event, unsettled, unchecked, ended,
         remembered, agenda_up_to, active_at, wall_active_at) VALUES (1, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?)`,
    )
    .run(newEpoch(), identity.boot, identity.timeNamespace, now, wallNow)
}

/** 128 random bits. */
export function newEpoch(): string {
  return randomBytes(16).toString('hex')
}

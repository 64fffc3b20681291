/**
 * The tables of a namespace; each has a file of its own. What is looked at has a column, so that the sqlite3 shell can
 * read it: `SELECT * FROM claims`, `SELECT * FROM event_log`. Writing to it by hand is not foreseen.
 *
 * Times (`…_at`) are milliseconds on the lease clock, `wall…` is milliseconds since 1970.
 */

/** Says that a file is Holdfast's: "Hold" in ASCII. In a file the database's header has it at byte 68. */
export const APPLICATION_ID = 0x486f6c64

/**
 * Small pages: a transaction writes each page that it touches as a whole, and touches one in each of four or five
 * tables. Measured, a lone acquire and release costs 10 % less than with pages of 4096 bytes, and batches of 64 cost
 * 10 % more.
 */
export const PAGE_SIZE = 2048

/**
 * `namespace` has one row. A row of `log` has the events of one batch, as JSON, and what the counters of `namespace`
 * were after it: a batch that logs does not write to `namespace`, and the greater of the two counts.
 *
 * `claims` finds who is in the way. `held` and `mode` come first in its key, so that each kind has an index of its own,
 * and what is held under an id is a range. The claims that wait under an id are in `waiting_under`, once for each
 * ancestor, because there the order of arrival counts.
 *
 * In `requests`, `owners` is null while whoever asked is the only owner; `held` is whether it is a lease. `agenda_at`
 * is `due_at`, but only up to the request `agenda_up_to`: of the few younger ones, most end before it pays to sort them.
 *
 * `previous` is in no order until there is too much of it: then `previous_by_place` is made.
 */
const VERSION_1 = `
CREATE TABLE namespace (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  epoch TEXT NOT NULL,
  boot TEXT NOT NULL,
  clock TEXT NOT NULL,
  last_id INTEGER NOT NULL,
  last_fence INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  unsettled INTEGER NOT NULL,
  unchecked INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  remembered INTEGER NOT NULL,
  agenda_up_to INTEGER NOT NULL,
  active_at INTEGER NOT NULL,
  wall_active_at INTEGER NOT NULL
);
CREATE TABLE log (
  last_event INTEGER PRIMARY KEY,
  first_event INTEGER NOT NULL,
  at INTEGER NOT NULL,
  wall_at INTEGER NOT NULL,
  last_id INTEGER NOT NULL,
  last_fence INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  remembered INTEGER NOT NULL,
  events TEXT NOT NULL
);
CREATE TABLE sessions (
  place INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  birth INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  dead_ms INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  posted INTEGER NOT NULL,
  acked INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  haunted INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  keep_until INTEGER NOT NULL,
  answer TEXT
);
CREATE INDEX sessions_due ON sessions (due_at, id);
CREATE TABLE outbox (
  session TEXT NOT NULL,
  number INTEGER NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  held INTEGER NOT NULL,
  session TEXT NOT NULL,
  birth INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  chain TEXT,
  claims TEXT NOT NULL,
  ttl_ms INTEGER NOT NULL,
  max_hold_ms INTEGER,
  reason TEXT,
  metadata TEXT,
  token_hash TEXT NOT NULL,
  queued_at INTEGER NOT NULL,
  due_at INTEGER,
  agenda_at INTEGER,
  blocker INTEGER,
  owners TEXT,
  fence INTEGER,
  granted_at INTEGER,
  wall_locked_at INTEGER,
  confirmed INTEGER,
  wanted INTEGER
);
CREATE INDEX requests_agenda ON requests (agenda_at) WHERE agenda_at IS NOT NULL;
CREATE INDEX requests_wanted ON requests (due_at) WHERE wanted = 1;
CREATE INDEX requests_behind ON requests (blocker) WHERE blocker IS NOT NULL;
CREATE INDEX requests_of_chain ON requests (chain, held) WHERE chain IS NOT NULL;
CREATE INDEX requests_waiting ON requests (session) WHERE held = 0;
CREATE TABLE claims (
  held INTEGER NOT NULL,
  mode TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  request_id INTEGER NOT NULL,
  scope TEXT NOT NULL,
  PRIMARY KEY (held, mode, resource_id, request_id)
) WITHOUT ROWID;
CREATE INDEX claims_of_trees ON claims (resource_id, held, mode, request_id) WHERE scope = 'tree';
CREATE TABLE waiting_under (
  mode TEXT NOT NULL,
  ancestor_id TEXT NOT NULL,
  request_id INTEGER NOT NULL,
  resource_id TEXT NOT NULL,
  PRIMARY KEY (mode, ancestor_id, request_id, resource_id)
) WITHOUT ROWID;
CREATE TABLE unsettled (
  place INTEGER PRIMARY KEY,
  request_id INTEGER NOT NULL UNIQUE
);
CREATE TABLE previous (
  resource_id TEXT PRIMARY KEY,
  place INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  wall_until INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  reason TEXT
) WITHOUT ROWID;
CREATE VIEW event_log AS
  SELECT first_event + key AS number, datetime(wall_at / 1000, 'unixepoch') AS at, value AS event
  FROM log, json_each(events);
`

/** What leads from one version of the tables to the next: the first makes version 1. Only ever append. */
export const MIGRATIONS: readonly string[] = [VERSION_1]

/** All tables, in no order. */
export const TABLES = [
  'namespace',
  'log',
  'sessions',
  'outbox',
  'requests',
  'claims',
  'waiting_under',
  'unsettled',
  'previous',
] as const

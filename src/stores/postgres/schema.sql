-- The tables of version 1. They belong to the functions beside them: nobody else writes to them.
--
-- Times (`…_at`, `…_until`) are milliseconds on the lease clock, `wall…` is milliseconds since 1970. A claim is written
-- as one text: `e` or `s` (exclusive, shared), `n` or `t` (node, tree), then the resource id. `who` is a JSON list of
-- an agent and its reason, `what` one of the claims and the metadata; both are stored as they came, and never read.
--
-- The rows of `namespaces` and `sessions` are written with every batch. Whatever changes often in them has no index,
-- so that an update stays in its page and the next one cleans up after it.

CREATE TABLE namespaces (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  epoch text NOT NULL,
  last_id bigint NOT NULL DEFAULT 0,
  last_fence bigint NOT NULL DEFAULT 0,
  last_event bigint NOT NULL DEFAULT 0,
  -- Ended requests whose waiters have not all been looked at, and deadlock checks that gave up.
  unsettled integer NOT NULL DEFAULT 0,
  unchecked bigint NOT NULL DEFAULT 0,
  -- How many requests wait, and how many tree claims stand: where there are none, nobody looks for them.
  waiting integer NOT NULL DEFAULT 0,
  trees integer NOT NULL DEFAULT 0,
  -- How many holders of a resource were put down ever, and how many of them are remembered.
  put_down bigint NOT NULL DEFAULT 0,
  remembered integer NOT NULL DEFAULT 0,
  -- No event before this one stands in the log.
  log_from bigint NOT NULL DEFAULT 1,
  -- No request and no session is due before this.
  quiet_until bigint NOT NULL DEFAULT 0,
  -- What the lease clock said last: it never goes back.
  seen_at bigint NOT NULL DEFAULT 0,
  -- Until then the growth of the log is announced.
  followed_until bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- A row has the events of one batch, as the inside of a JSON list.
CREATE TABLE log (
  ns integer NOT NULL,
  last_event bigint NOT NULL,
  first_event bigint NOT NULL,
  wall_at bigint NOT NULL,
  events text NOT NULL,
  PRIMARY KEY (ns, last_event)
);

CREATE TABLE sessions (
  ns integer NOT NULL,
  id text COLLATE "C" NOT NULL,
  birth integer NOT NULL,
  seen_at bigint NOT NULL,
  dead_ms bigint NOT NULL,
  batch bigint NOT NULL,
  posted bigint NOT NULL,
  acked bigint NOT NULL,
  waiting integer NOT NULL,
  haunted boolean NOT NULL,
  due_at bigint NOT NULL,
  keep_until bigint NOT NULL,
  answer text,
  PRIMARY KEY (ns, id)
) WITH (fillfactor = 30);
CREATE INDEX sessions_due ON sessions (ns, due_at, id);

CREATE TABLE outbox (
  ns integer NOT NULL,
  session text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  message text NOT NULL,
  PRIMARY KEY (ns, session, number)
);

-- `owner_hashes` and `owner_sessions` are null while whoever asked is the only owner.
CREATE TABLE requests (
  ns integer NOT NULL,
  id bigint NOT NULL,
  held boolean NOT NULL,
  session text COLLATE "C" NOT NULL,
  birth integer NOT NULL,
  chain text COLLATE "C",
  claims text[] COLLATE "C" NOT NULL,
  who text NOT NULL,
  what text NOT NULL,
  ttl_ms bigint NOT NULL,
  max_hold_ms bigint,
  token_hash bytea NOT NULL,
  queued_at bigint NOT NULL,
  due_at bigint,
  blocker bigint,
  owner_hashes bytea[],
  owner_sessions text[] COLLATE "C",
  fence bigint,
  granted_at bigint,
  wall_locked_at bigint,
  confirmed boolean,
  wanted boolean,
  PRIMARY KEY (ns, id)
);
CREATE INDEX requests_due ON requests (ns, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX requests_wanted ON requests (ns, due_at) WHERE wanted;
CREATE INDEX requests_behind ON requests (ns, blocker, id) WHERE blocker IS NOT NULL;
CREATE INDEX requests_of_chain ON requests (ns, chain, held, id) WHERE chain IS NOT NULL;
CREATE INDEX requests_waiting ON requests (ns, session, id) WHERE NOT held;

-- Finds who is in the way. `held` and `shared` come first in its key, so that each kind has an index of its own, and
-- what is held under an id is a range.
CREATE TABLE claims (
  ns integer NOT NULL,
  held boolean NOT NULL,
  shared boolean NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  request_id bigint NOT NULL,
  tree boolean NOT NULL,
  PRIMARY KEY (ns, held, shared, resource_id, request_id)
);
CREATE INDEX claims_of_trees ON claims (ns, resource_id, held, shared, request_id) WHERE tree;

-- The claims that wait under an id, once for each ancestor, because there the order of arrival counts.
CREATE TABLE waiting_under (
  ns integer NOT NULL,
  shared boolean NOT NULL,
  ancestor_id text COLLATE "C" NOT NULL,
  request_id bigint NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (ns, shared, ancestor_id, request_id, resource_id)
);

CREATE TABLE unsettled (
  ns integer NOT NULL,
  place bigint GENERATED ALWAYS AS IDENTITY,
  request_id bigint NOT NULL,
  PRIMARY KEY (ns, request_id)
);
CREATE INDEX unsettled_in_order ON unsettled (ns, place);

CREATE TABLE previous (
  ns integer NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  place bigint NOT NULL,
  who text NOT NULL,
  wall_until bigint NOT NULL,
  fence bigint NOT NULL,
  PRIMARY KEY (ns, resource_id)
) WITH (fillfactor = 70);

-- Each of `previous` once, where it stood in the order when it was queued. Since then it may have moved to the end:
-- so the first of this queue whose place is still its place is the oldest of all.
CREATE TABLE previous_queue (
  ns integer NOT NULL,
  place bigint NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (ns, place)
);

-- Compressed, the answer to a large batch still fits into its row, and an update stays in its page.
ALTER TABLE log ALTER events SET STORAGE MAIN;
ALTER TABLE sessions ALTER answer SET STORAGE MAIN;

-- The default would let a small table grow to a multiple before it is looked at.
DO $$
DECLARE
  each text;
BEGIN
  FOREACH each IN ARRAY ARRAY['namespaces', 'log', 'sessions', 'outbox', 'requests', 'claims', 'waiting_under',
      'unsettled', 'previous', 'previous_queue'] LOOP
    EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
      autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0)', each);
  END LOOP;
END $$;

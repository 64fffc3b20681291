-- One batch being executed. The rows that nearly every batch touches (the namespace and the batch's own session) are
-- read once and written once; everything else goes straight to its table. A function that changes anything takes the
-- turn and returns it: there is no other state.

CREATE TYPE turn AS (
  ns integer,
  name text,
  epoch text,
  -- The lease clock and the wall clock.
  now bigint,
  wall bigint,
  -- How much is remembered: events, previous holders, and those for how long.
  keep_events bigint,
  keep_previous bigint,
  keep_previous_ms bigint,
  -- What the batch may still do in passing, and what its own steps may still clear out of their way.
  passing integer,
  touched integer,
  -- Requests that ended and whose waiters are to be looked at, in order.
  ended bigint[],
  -- Chains that may have fallen back to one open request, or whose open request may have more in front of it.
  narrowed text[],
  -- The namespace's counters; see `namespaces`.
  last_id bigint,
  last_fence bigint,
  last_event bigint,
  unsettled integer,
  unchecked bigint,
  waiting integer,
  trees integer,
  put_down bigint,
  remembered integer,
  quiet_until bigint,
  log_from bigint,
  followed_until bigint,
  -- A transaction of a user may rely on a lease; see `assert_held`.
  guarded boolean,
  -- Events that are not taken over by `apply` yet, and the number of the last one; null where the log is off.
  events text[],
  logged bigint,
  -- Other sessions that were posted to, and the number of the first message to each.
  posted_to text[],
  posted_from bigint[],
  -- The batch's own session; `me_known` is false for one that is not remembered.
  me text,
  me_known boolean,
  me_birth integer,
  me_seen bigint,
  me_dead_ms bigint,
  me_batch bigint,
  me_posted bigint,
  me_acked bigint,
  me_waiting integer,
  me_haunted boolean,
  me_due bigint,
  me_keep bigint,
  -- What a function found besides: the blocker, whether it was met past waiters, whether something was ended.
  blocker bigint,
  passes boolean,
  buried boolean,
  -- What the step answers.
  reply text
);

-- A step as it crosses the wire; each kind of step uses some of it.
CREATE TYPE step AS (
  type text,
  id bigint,
  token text,
  who text,
  what text,
  claims text[],
  ttl bigint,
  wait bigint,
  chain text,
  reentrant boolean,
  holding_id bigint,
  holding_token text,
  max_hold bigint,
  automatic boolean,
  expired boolean,
  explain text[],
  fence bigint,
  resource text,
  scope text,
  forced text,
  leases integer,
  waiters integer,
  prefix text,
  prefix_end text,
  agent text,
  min_age bigint,
  after_shared boolean,
  after_resource text,
  after_id bigint,
  since bigint,
  since_epoch text,
  page integer
);

-- The two clocks of the server, in milliseconds since 1970. Tests drive them.
CREATE FUNCTION wall_clock() RETURNS bigint LANGUAGE sql AS $$
  SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint
$$;
CREATE FUNCTION lease_clock(wall bigint) RETURNS bigint LANGUAGE sql AS 'SELECT wall';

-- The most requests that one batch ends, skips or grants beyond those that its own steps touch.
CREATE FUNCTION step_budget() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 256';

CREATE FUNCTION hash_of(token text) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(token, 'UTF8'))
$$;

-- A number, or JSON's null.
CREATE FUNCTION num(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(n::text, 'null') $$;

-- JSON's false and true.
CREATE FUNCTION bool(b boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN b THEN 'true' ELSE 'false' END $$;

-- Tells a session, if it is still remembered. A message is a JSON list of its type, its number, and the rest.
CREATE FUNCTION post(t turn, receiver text, type text, rest text) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  IF receiver = t.me THEN
    IF NOT t.me_known THEN
      RETURN t;
    END IF;
    t.me_posted := t.me_posted + 1;
    n := t.me_posted;
  ELSE
    UPDATE sessions s SET posted = s.posted + 1 WHERE s.ns = t.ns AND s.id = receiver RETURNING s.posted INTO n;
    IF n IS NULL THEN
      RETURN t;
    END IF;
    IF receiver <> ALL (t.posted_to) THEN
      t.posted_to := t.posted_to || receiver;
      t.posted_from := t.posted_from || n;
    END IF;
  END IF;
  INSERT INTO outbox VALUES (t.ns, receiver, n, '["' || type || '",' || n || ',' || rest || ']');
  RETURN t;
END $$;

-- Logs an event: a JSON list of its type, who, what, fencing token, held and waited milliseconds, and by whom and why
-- it was forced.
CREATE FUNCTION log_event(t turn, type text, who text, what text, fence bigint, held_ms bigint, waited_ms bigint, forced text)
RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  IF t.keep_events = 0 THEN
    t.logged := NULL;
    RETURN t;
  END IF;
  t.last_event := t.last_event + 1;
  t.logged := t.last_event;
  t.events := t.events || ('["' || type || '",' || who || ',' || what || ',' || num(fence) || ',' || num(held_ms) || ','
    || num(waited_ms) || ',' || coalesce(forced, 'null') || ']');
  RETURN t;
END $$;

-- Whether a session lives in which its request was made.
CREATE FUNCTION is_session_live(t turn, session text, birth integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF session = t.me THEN
    RETURN t.me_known AND t.me_birth = birth AND t.me_seen + t.me_dead_ms > t.now;
  END IF;
  RETURN EXISTS (
    SELECT FROM sessions s
    WHERE s.ns = t.ns AND s.id = session AND s.birth = is_session_live.birth AND s.seen_at + s.dead_ms > t.now
  );
END $$;

-- Whether a request still counts: a lease that has not expired, or a waiter with time left and a live session.
CREATE FUNCTION is_live(t turn, r requests) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF r.due_at <= t.now THEN
    RETURN false;
  END IF;
  RETURN r.held OR is_session_live(t, r.session, r.birth);
END $$;

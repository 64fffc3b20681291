-- The lock table: one batch, step by step.

CREATE FUNCTION channel_of(namespace text, session text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'holdfast_' || left(encode(sha256(convert_to(current_schema() || '/' || namespace || '/' || session, 'UTF8')), 'hex'), 48)
$$;

-- Of what was read of the namespace and the session, which may be one that is not known.
CREATE FUNCTION begin_turn(
  n namespaces, k sessions, session text, now bigint, wall bigint, keep_events bigint, keep_previous bigint,
  keep_previous_ms bigint
) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  budget integer := step_budget();
BEGIN
  RETURN ROW(n.id, n.name, n.epoch, now, wall, keep_events, keep_previous, keep_previous_ms, budget, budget,
    '{}'::bigint[], '{}'::text[], n.last_id, n.last_fence, n.last_event, n.unsettled, n.unchecked, n.waiting, n.trees,
    n.put_down, n.remembered, n.quiet_until, n.log_from, n.followed_until, NOT lock_guard(n.name), '{}'::text[], NULL,
    '{}'::text[], '{}'::bigint[], session, k.id IS NOT NULL, k.birth, k.seen_at, k.dead_ms, k.batch, k.posted, k.acked,
    k.waiting, k.haunted, k.due_at, k.keep_until, NULL, false, false, NULL)::turn;
END $$;

-- Notes that the session was heard of, and confirms what it has acknowledged. `comes_back`: from the dead, or from
-- before the store lost what the session knows (`went_back`); then its waiters are as those of a dead one.
CREATE FUNCTION enter_session(t turn, number bigint, acked bigint, dead_ms bigint, comes_back boolean, went_back boolean)
RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  before bigint := coalesce(t.me_acked, acked);
  m text;
BEGIN
  t.me_birth := coalesce(t.me_birth, 0) + CASE WHEN comes_back OR NOT t.me_known THEN 1 ELSE 0 END;
  t.me_haunted := coalesce(t.me_haunted, false) OR (comes_back AND t.me_waiting > 0);
  t.me_due := CASE WHEN comes_back THEN t.now ELSE least(t.me_due, t.now + dead_ms) END;
  t.me_seen := t.now;
  t.me_dead_ms := dead_ms;
  t.me_batch := number;
  -- What was acknowledged before the store went back may have been another message of that number.
  t.me_acked := CASE WHEN went_back THEN before ELSE greatest(before, acked) END;
  -- Of a session that was forgotten the numbers go on where its client stands.
  t.me_posted := coalesce(t.me_posted, acked);
  t.me_waiting := coalesce(t.me_waiting, 0);
  t.me_keep := coalesce(t.me_keep, 0);
  t.me_known := true;
  IF comes_back THEN
    -- Written at once, because the sweep looks there whose waiters are to be ended.
    UPDATE sessions s SET due_at = t.now WHERE s.ns = t.ns AND s.id = t.me;
    t.quiet_until := least(t.quiet_until, t.now);
  END IF;
  IF t.me_acked > before THEN
    FOR m IN DELETE FROM outbox o WHERE o.ns = t.ns AND o.session = t.me AND o.number <= t.me_acked RETURNING o.message LOOP
      IF starts_with(m, '["granted"') THEN
        t := confirm(t, (m::json ->> 2)::bigint);
      END IF;
    END LOOP;
  END IF;
  RETURN t;
END $$;

-- Whether the session acknowledges other messages than were posted: the store has gone back, and then posted these.
CREATE FUNCTION is_misled(t turn, acked bigint, received text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  -- The last of them is number `acked`.
  beginnings text[] := string_to_array(received, E'\n');
BEGIN
  RETURN EXISTS (
    SELECT FROM outbox o
    WHERE o.ns = t.ns AND o.session = t.me AND o.number > t.me_acked AND o.number <= acked
      AND starts_with(o.message, beginnings[cardinality(beginnings) - acked + o.number]) IS NOT TRUE
  );
END $$;

CREATE FUNCTION execute(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.reply := NULL;
  CASE s.type
    WHEN 'acquire' THEN RETURN acquire(t, s);
    WHEN 'release' THEN RETURN release(t, s);
    WHEN 'extend' THEN RETURN extend(t, s);
    WHEN 'cancel' THEN RETURN cancel(t, s);
    WHEN 'handBack' THEN RETURN hand_back(t, s);
    WHEN 'force' THEN RETURN force(t, s);
    WHEN 'inspect' THEN RETURN inspect(t, s);
    WHEN 'list' THEN RETURN list(t, s);
    WHEN 'readEvents' THEN RETURN read_events(t, s);
    WHEN 'goodbye' THEN RETURN goodbye(t);
  END CASE;
END $$;

-- The session is dead from now on: the sweep takes away what it leaves behind.
CREATE FUNCTION goodbye(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
BEGIN
  FOREACH id IN ARRAY waiting_of(t, t.me, t.touched) LOOP
    t.touched := t.touched - 1;
    t := end_wait(t, request(t, id));
  END LOOP;
  t.me_seen := t.now - t.me_dead_ms;
  t.me_due := t.now;
  t.reply := '["done"]';
  RETURN t;
END $$;

-- A chain that is checked may end a request, which grants others, which may narrow chains again.
CREATE FUNCTION settle_chains(t turn) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  WHILE cardinality(t.narrowed) > 0 LOOP
    t := settle(check_narrowed_chains(t));
  END LOOP;
  RETURN t;
END $$;

-- The head of an answer: a JSON list of epoch, the two clocks, fresh, more, wake-up, messages and outcomes.
CREATE FUNCTION answer_of(t turn, fresh boolean, more boolean, wake_at bigint, messages text[], outcomes text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN '["' || t.epoch || '",' || t.now || ',' || t.wall || ',' || bool(fresh) || ',' || bool(more) || ','
    || num(wake_at) || ',[' || array_to_string(messages, ',') || '],' || outcomes || ']';
END $$;

CREATE FUNCTION finish(t turn, fresh boolean, outcomes text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  messages text[] := '{}';
  wake_at bigint;
BEGIN
  IF t.me_known AND t.me_posted > t.me_acked THEN
    SELECT coalesce(array_agg(f.message ORDER BY f.number), '{}') INTO messages FROM (
      SELECT o.number, o.message FROM outbox o
      WHERE o.ns = t.ns AND o.session = t.me AND o.number > t.me_acked ORDER BY o.number LIMIT 256
    ) f;
  END IF;
  IF t.me_known AND t.me_waiting > 0 THEN
    SELECT q.due_at INTO wake_at FROM requests q
    WHERE q.ns = t.ns AND q.wanted AND q.due_at >= t.quiet_until ORDER BY q.due_at LIMIT 1;
  END IF;
  RETURN answer_of(t, fresh, t.unsettled > 0 OR t.passing <= 0 OR t.touched <= 0 OR cardinality(messages) = 256, wake_at,
    messages, outcomes);
END $$;

-- Writes what was held back: `events` are those from number `first_event` on.
CREATE FUNCTION flush(t turn, first_event bigint, events text, answer text, is_new boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  forget_before bigint := t.last_event - t.keep_events + 1;
BEGIN
  -- Now and then, because each time costs a look.
  IF events <> '' AND (forget_before - t.log_from) * 8 >= t.keep_events THEN
    DELETE FROM log l WHERE l.ns = t.ns AND l.last_event >= t.log_from AND l.last_event < forget_before;
    t.log_from := forget_before;
  END IF;
  IF is_new THEN
    INSERT INTO sessions
    VALUES (t.ns, t.me, t.me_birth, t.me_seen, t.me_dead_ms, t.me_batch, t.me_posted, t.me_acked, t.me_waiting,
      t.me_haunted, t.me_due, t.me_keep, answer);
  END IF;
  WITH logged AS (
    INSERT INTO log SELECT t.ns, t.last_event, first_event, t.wall, events WHERE events <> ''
  ), met AS (
    UPDATE sessions s
    SET birth = t.me_birth, seen_at = t.me_seen, dead_ms = t.me_dead_ms, batch = t.me_batch, posted = t.me_posted,
      acked = t.me_acked, waiting = t.me_waiting, haunted = t.me_haunted, due_at = t.me_due, keep_until = t.me_keep,
      answer = flush.answer
    WHERE t.me_known AND NOT is_new AND s.ns = t.ns AND s.id = t.me
  )
  UPDATE namespaces n
  SET last_id = t.last_id, last_fence = t.last_fence, last_event = t.last_event, unsettled = t.unsettled,
    unchecked = t.unchecked, waiting = t.waiting, trees = t.trees, put_down = t.put_down, remembered = t.remembered,
    quiet_until = least(t.quiet_until, t.me_due), log_from = t.log_from, seen_at = t.now
  WHERE n.id = t.ns;
  RETURN true;
END $$;

-- Wakes those who were posted to, and whoever follows the log. What is too long for a notification comes with the
-- answer to the heartbeat that an empty one asks for.
CREATE FUNCTION notify_others(t turn, has_logged boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  payload text;
BEGIN
  FOR i IN 1 .. cardinality(t.posted_to) LOOP
    SELECT '["' || t.epoch || '",[' || string_agg(o.message, ',' ORDER BY o.number) || ']]' INTO payload
    FROM outbox o WHERE o.ns = t.ns AND o.session = t.posted_to[i] AND o.number >= t.posted_from[i];
    PERFORM pg_notify(channel_of(t.name, t.posted_to[i]), CASE WHEN octet_length(payload) < 7900 THEN payload ELSE '' END);
  END LOOP;
  IF has_logged AND t.followed_until > t.now THEN
    PERFORM pg_notify(channel_of(t.name, ''), '');
  END IF;
  RETURN true;
END $$;

-- Executes a batch: first what is due is ended and what that frees is granted, then each step in order, each followed
-- by the grants that it makes possible. All that can be refused is refused before the first write.
CREATE FUNCTION apply_steps(t turn, h bigint[], received text, epoch text, looks boolean, steps json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  s step;
  comes_back boolean;
  went_back boolean;
  is_new boolean := NOT t.me_known AND NOT looks;
  is_fresh boolean;
  first_event bigint := t.last_event + 1;
  events text[] := '{}';
  outcomes text[] := '{}';
  answer text;
  is_done boolean;
BEGIN
  IF h[4] > greatest(t.last_fence, (t.wall + 60000) * 1000) THEN
    RAISE EXCEPTION 'The fencing token % that this session says it has seen is more than a minute ahead of the store''s clock: check the clocks of the machines. Nothing was done.', h[4]
      USING ERRCODE = 'HF001';
  ELSIF epoch <> t.epoch THEN
    RETURN answer_of(t, true, false, NULL, '{}', 'null');
  ELSIF h[1] < t.me_batch THEN
    RAISE EXCEPTION 'Batch % is a late copy: the session has sent batch % since. Nothing was done.', h[1], t.me_batch
      USING ERRCODE = 'HF001';
  ELSIF h[1] = t.me_batch THEN
    SELECT k.answer INTO answer FROM sessions k WHERE k.ns = t.ns AND k.id = t.me;
    RETURN answer;
  END IF;
  -- The session was dead, or the store has lost changes that it was told of.
  went_back := t.me_known AND (h[6] > t.last_id OR h[5] > t.me_batch OR h[2] > t.me_posted
    OR h[2] > t.me_acked AND is_misled(t, h[2], received));
  comes_back := went_back OR t.me_known AND t.me_seen + t.me_dead_ms <= t.now;
  is_fresh := comes_back OR NOT t.me_known;
  t.last_id := greatest(t.last_id, h[6]);
  t.last_fence := greatest(t.last_fence, h[4]);
  IF t.me_known OR NOT looks THEN
    t := enter_session(t, h[1], h[2], h[3], comes_back, went_back);
  END IF;
  t := sweep(t);
  FOR s IN SELECT * FROM json_populate_recordset(NULL::step, steps) LOOP
    -- Taken over step by step, because a turn is copied with each call.
    events := events || array_to_string(t.events, ',');
    t.events := '{}';
    t := settle(execute(t, s));
    outcomes := outcomes || t.reply;
  END LOOP;
  t := settle_chains(t);
  events := events || array_to_string(t.events, ',');
  t := suspend(t);
  answer := finish(t, is_fresh, '[' || array_to_string(outcomes, ',') || ']');
  is_done := flush(t, first_event, array_to_string(array_remove(events, ''), ','), answer, is_new)
    AND notify_others(t, t.last_event >= first_event);
  RETURN answer;
END $$;

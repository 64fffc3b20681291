-- The lock table: one batch, in one transaction.

CREATE FUNCTION channel_of(namespace text, session text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'holdfast_' || left(encode(sha256(convert_to(current_schema() || '/' || namespace || '/' || session, 'UTF8')), 'hex'), 48)
$$;

-- One step at a time in a namespace. Only what is read by a later statement is certain to be the latest: each has a
-- snapshot of its own, but only where transactions are READ COMMITTED.
CREATE FUNCTION lock_namespace(namespace text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'a step of the lock table must run in a transaction that is READ COMMITTED' USING ERRCODE = 'HF002';
  END IF;
  RETURN pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || namespace, 20250)) IS NOT NULL;
END $$;

-- Reads the namespace, which is made if it is not there, and the session.
CREATE FUNCTION begin_turn(namespace text, session text, keep_events bigint, keep_previous bigint, keep_previous_ms bigint)
RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  t turn;
  budget integer := step_budget();
BEGIN
  LOOP
    SELECT n.id, n.name, n.epoch, greatest(c.lease, n.seen_at, s.seen_at), c.wall,
      keep_events, keep_previous, keep_previous_ms, budget, budget, '{}'::bigint[], '{}'::text[],
      n.last_id, n.last_fence, n.last_event, n.unsettled, n.unchecked, n.waiting, n.trees, n.put_down, n.remembered,
      n.quiet_until, n.log_from, n.followed_until, NOT pg_try_advisory_xact_lock(guard_key(namespace)), '{}'::text[], NULL, '{}'::text[], '{}'::bigint[],
      begin_turn.session, s.id IS NOT NULL, s.birth, s.seen_at, s.dead_ms, s.batch, s.posted, s.acked, s.waiting,
      s.haunted, s.due_at, s.keep_until, NULL, false, false, NULL
    INTO t
    FROM clocks() c, namespaces n LEFT JOIN sessions s ON s.ns = n.id AND s.id = begin_turn.session
    WHERE n.name = namespace;
    IF FOUND THEN
      RETURN t;
    END IF;
    INSERT INTO namespaces (name, epoch)
    VALUES (namespace, left(encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'), 32));
  END LOOP;
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
CREATE FUNCTION apply_steps(t turn, h bigint[], epoch text, looks boolean, steps json) RETURNS text LANGUAGE plpgsql AS $$
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
  went_back := t.me_known AND (h[6] > t.last_id OR h[5] > t.me_batch OR h[2] > t.me_posted);
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

-- Executes a batch, the first and only thing of its transaction.
--
-- `head` is an array of the batch's number, acked, dead_ms, floor, answered and last_id, and of how many events and
-- previous holders are remembered, and these for how many milliseconds. Then follow the number of its acquires and of its
-- releases, if it is a batch that can be executed quickly, or zeros. `looks` is whether the steps only look: such a
-- batch does not make a session.
--
-- The settings of the planner keep it to point reads by index, whatever it thinks of tables that were empty when it
-- looked at them last.
CREATE FUNCTION apply(namespace text, session text, epoch text, head text, looks boolean, steps text, durability text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET lock_timeout = '4s'
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  h bigint[] := head::bigint[];
  t turn;
  answer text;
BEGIN
  IF durability IS NOT NULL THEN
    PERFORM set_config('synchronous_commit', durability, true);
  END IF;
  IF lock_namespace(namespace) AND h[10] + h[11] = 1 THEN
    answer := apply_alone(namespace, session, epoch, h, steps::json -> 0);
    IF answer IS NOT NULL THEN
      RETURN answer;
    END IF;
  END IF;
  t := begin_turn(namespace, session, h[7], h[8], h[9]);
  IF h[10] + h[11] > 1 AND may_be_quick(t, h, epoch) THEN
    answer := apply_quickly(t, h, steps::json);
    IF answer IS NOT NULL THEN
      RETURN answer;
    END IF;
  END IF;
  RETURN apply_steps(t, h, epoch, looks, steps::json);
END $$;

-- Announces the growth of the namespace's log for the next minute.
CREATE FUNCTION follow(namespace text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
  t turn;
BEGIN
  IF lock_namespace(namespace) THEN
    t := begin_turn(namespace, '', 0, 0, 0);
  END IF;
  UPDATE namespaces n SET followed_until = t.now + 60000 WHERE n.id = t.ns;
  RETURN '';
END $$;

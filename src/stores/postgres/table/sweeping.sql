-- What a batch does in passing.

-- Ends what has expired and those who wait for a dead session, and grants what that frees: as much as one batch may,
-- whoever sends it. So an expiry is met by the next step of anybody.
CREATE FUNCTION sweep(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  since bigint := t.quiet_until;
BEGIN
  -- What ended before comes first, or a long row of expiries would keep those who wait for them waiting until its end.
  t := settle(resume(t));
  -- Nothing that still stands is due before `since`: what lies before it in the indexes are dead entries, which would
  -- have to be stepped over.
  IF t.now >= since THEN
    t := look_at_sessions(end_what_is_due(t, since), since);
    t := settle(t);
    IF t.passing > 0 THEN
      t.quiet_until := next_due(t);
    END IF;
  END IF;
  RETURN t;
END $$;

-- When something is due next, as far as the next second.
CREATE FUNCTION next_due(t turn) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN least(t.now + 1000,
    (SELECT q.due_at FROM requests q
      WHERE q.ns = t.ns AND q.due_at >= t.now AND q.due_at < t.now + 1000 ORDER BY q.due_at LIMIT 1),
    (SELECT s.due_at FROM sessions s
      WHERE s.ns = t.ns AND s.due_at >= t.now AND s.due_at < t.now + 1000 ORDER BY s.due_at LIMIT 1));
END $$;

-- Goes on with what earlier batches left, and reads no more of it than this one can settle.
CREATE FUNCTION resume(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  ids bigint[];
  id bigint;
BEGIN
  WHILE t.unsettled > 0 AND t.passing > 0 LOOP
    ids := ARRAY(SELECT u.request_id FROM unsettled u WHERE u.ns = t.ns ORDER BY u.place LIMIT 64);
    -- One that was noted twice is stored once: the count must not promise what is not there.
    IF cardinality(ids) = 0 THEN
      t.unsettled := 0;
      RETURN t;
    END IF;
    FOREACH id IN ARRAY ids LOOP
      t := settle_one(t, id);
      IF NOT t.buried THEN
        RETURN t;
      END IF;
      DELETE FROM unsettled u WHERE u.ns = t.ns AND u.request_id = id;
      t.unsettled := t.unsettled - 1;
    END LOOP;
  END LOOP;
  RETURN t;
END $$;

-- Notes down what the allowance did not reach.
CREATE FUNCTION suspend(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
BEGIN
  FOREACH id IN ARRAY t.ended LOOP
    INSERT INTO unsettled (ns, request_id) VALUES (t.ns, id) ON CONFLICT DO NOTHING;
  END LOOP;
  t.unsettled := t.unsettled + cardinality(t.ended);
  RETURN t;
END $$;

CREATE FUNCTION end_what_is_due(t turn, since bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  page integer;
  ids bigint[];
  id bigint;
BEGIN
  WHILE t.passing > 0 LOOP
    page := least(64, t.passing);
    ids := ARRAY(
      SELECT q.id FROM requests q
      WHERE q.ns = t.ns AND q.due_at >= since AND q.due_at <= t.now ORDER BY q.due_at, q.id LIMIT page
    );
    FOREACH id IN ARRAY ids LOOP
      t := bury(t, request(t, id), true);
    END LOOP;
    EXIT WHEN cardinality(ids) < page;
  END LOOP;
  RETURN t;
END $$;

CREATE FUNCTION look_at_sessions(t turn, since bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  s sessions;
BEGIN
  WHILE t.passing > 0 LOOP
    SELECT * INTO s FROM sessions k
    WHERE k.ns = t.ns AND k.due_at >= since AND k.due_at <= t.now ORDER BY k.due_at, k.id LIMIT 1;
    EXIT WHEN NOT FOUND;
    t.passing := t.passing - 1;
    t := look_at_session(t, s);
  END LOOP;
  RETURN t;
END $$;

-- A session that holds nothing any more is remembered for a minute, so that a late copy of a batch is still refused.
CREATE FUNCTION look_at_session(t turn, s sessions) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  is_alive boolean;
BEGIN
  s := own_session(t, s);
  is_alive := s.seen_at + s.dead_ms > t.now;
  IF s.waiting > 0 AND (NOT is_alive OR s.haunted) THEN
    t := abandon_waiters(t, s, is_alive);
    IF NOT t.buried THEN
      RETURN t;
    END IF;
  END IF;
  s.due_at := CASE WHEN is_alive THEN s.seen_at + s.dead_ms ELSE greatest(s.seen_at, s.keep_until) + 60000 END;
  IF s.due_at <= t.now THEN
    DELETE FROM outbox o WHERE o.ns = t.ns AND o.session = s.id;
    DELETE FROM sessions k WHERE k.ns = t.ns AND k.id = s.id;
    RETURN t;
  END IF;
  UPDATE sessions k SET haunted = false, due_at = s.due_at WHERE k.ns = t.ns AND k.id = s.id;
  IF s.id = t.me THEN
    t.me_haunted := false;
    t.me_due := s.due_at;
  END IF;
  RETURN t;
END $$;

-- The row of a session; of the batch's own one what has become of it.
CREATE FUNCTION own_session(t turn, s sessions) RETURNS sessions LANGUAGE plpgsql AS $$
BEGIN
  IF s.id = t.me THEN
    s.birth := t.me_birth;
    s.seen_at := t.me_seen;
    s.dead_ms := t.me_dead_ms;
    s.waiting := t.me_waiting;
    s.haunted := t.me_haunted;
    s.keep_until := t.me_keep;
  END IF;
  RETURN s;
END $$;

-- Takes the dead session's waiters out of their lines; of one that came back, only those of earlier births. Says in
-- `t.buried` whether that was all.
CREATE FUNCTION abandon_waiters(t turn, s sessions, is_alive boolean) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  page integer;
  ids bigint[];
  id bigint;
  r requests;
BEGIN
  t.buried := true;
  WHILE t.passing > 0 LOOP
    page := least(64, t.passing);
    ids := waiting_of(t, s.id, page);
    FOREACH id IN ARRAY ids LOOP
      r := request(t, id);
      IF is_alive AND r.birth = s.birth THEN
        RETURN t;
      END IF;
      t.passing := t.passing - 1;
      t := end_wait(t, r);
    END LOOP;
    IF cardinality(ids) < page THEN
      RETURN t;
    END IF;
  END LOOP;
  t.buried := false;
  RETURN t;
END $$;

-- Waiting requests of a session, in order of id.
CREATE FUNCTION waiting_of(t turn, session text, page integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    SELECT q.id FROM requests q
    WHERE q.ns = t.ns AND q.session = waiting_of.session AND NOT q.held ORDER BY q.id LIMIT page
  );
END $$;

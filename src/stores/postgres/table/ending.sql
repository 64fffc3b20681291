-- How requests end.

-- How long the expiry of a lease is put off while a transaction of a user relies on it; see `assert_held`.
CREATE FUNCTION pin_ms() RETURNS integer LANGUAGE sql STABLE AS 'SELECT 100';

-- Whether a transaction relies on the lease: see `assert_held`. If none does, none can until this turn's end.
CREATE FUNCTION is_pinned(t turn, r requests) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT t.guarded THEN
    RETURN false;
  END IF;
  PERFORM FROM requests q WHERE q.ns = t.ns AND q.id = r.id FOR UPDATE SKIP LOCKED;
  RETURN NOT FOUND;
END $$;

-- Puts the end of a lease off that a transaction relies on.
CREATE FUNCTION put_off(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  UPDATE requests q SET due_at = t.now + pin_ms() WHERE q.ns = t.ns AND q.id = r.id;
  t.quiet_until := least(t.quiet_until, t.now + pin_ms());
  t.buried := true;
  RETURN t;
END $$;

CREATE FUNCTION narrow(t turn, chain text) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  IF chain <> ALL (t.narrowed) THEN
    t.narrowed := t.narrowed || chain;
  END IF;
  RETURN t;
END $$;

-- Ends a lease: its resources are free, its end is logged (in `t.logged`), whoever lost it is told.
CREATE FUNCTION end_lease(t turn, r requests, how text, forced text) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  held_ms bigint := greatest(0, least(t.now, r.due_at) - r.granted_at);
  receiver text;
BEGIN
  t := delete_request(t, r);
  t.ended := t.ended || r.id;
  -- Whoever waits for this lease did not hold back its chain's open request, and may do so from now on.
  IF r.wanted AND r.chain IS NOT NULL THEN
    t := narrow(t, r.chain);
  END IF;
  IF t.keep_previous > 0 THEN
    t := remember(t, r);
  END IF;
  t := log_event(t, CASE how WHEN 'expired' THEN 'expired' ELSE 'unlocked' END, r.who, r.what, r.fence, held_ms, NULL, forced);
  IF how <> 'released' THEN
    FOREACH receiver IN ARRAY owning_sessions(r) LOOP
      t := post(t, receiver, 'lost', r.id || ',"' || how || '",' || coalesce(forced, 'null') || ',' || held_ms || ',' || num(t.logged));
    END LOOP;
  END IF;
  RETURN t;
END $$;

-- One request less waits for this session.
CREATE FUNCTION stop_waiting(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  IF r.session = t.me THEN
    t.me_waiting := t.me_waiting - 1;
  ELSE
    UPDATE sessions s SET waiting = s.waiting - 1 WHERE s.ns = t.ns AND s.id = r.session;
  END IF;
  IF r.chain IS NOT NULL THEN
    t := narrow(t, r.chain);
  END IF;
  RETURN t;
END $$;

-- Takes a waiting request out of the line, and logs it.
CREATE FUNCTION end_wait(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t := delete_request(t, r);
  t.ended := t.ended || r.id;
  t := stop_waiting(t, r);
  RETURN log_event(t, 'abandoned', r.who, r.what, NULL, NULL, t.now - r.queued_at, NULL);
END $$;

-- Takes a request that turned out to wait for itself out of the line, and tells it.
CREATE FUNCTION end_deadlocked(t turn, r requests, cycle text) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t := delete_request(t, r);
  t.ended := t.ended || r.id;
  t := stop_waiting(t, r);
  t := log_event(t, 'deadlock', r.who, r.what, NULL, NULL, t.now - r.queued_at, NULL);
  RETURN post(t, r.session, 'deadlock', r.id || ',' || cycle || ',' || num(t.logged));
END $$;

-- Ends a request that no longer counts, if the allowance still has room; says in `t.buried` whether it did.
CREATE FUNCTION bury(t turn, r requests, in_passing boolean) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.buried := CASE WHEN in_passing THEN t.passing ELSE t.touched END > 0;
  IF NOT t.buried THEN
    RETURN t;
  ELSIF in_passing THEN
    t.passing := t.passing - 1;
  ELSE
    t.touched := t.touched - 1;
  END IF;
  IF NOT r.held THEN
    RETURN end_wait(t, r);
  ELSIF is_pinned(t, r) THEN
    RETURN put_off(t, r);
  END IF;
  RETURN end_lease(t, r, 'expired', NULL);
END $$;

-- Remembers who held the resources of a lease last, and forgets the oldest beyond what is kept.
CREATE FUNCTION remember(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  until bigint := t.wall - (t.now - least(t.now, r.due_at));
BEGIN
  FOREACH claim IN ARRAY r.claims LOOP
    t.put_down := t.put_down + 1;
    UPDATE previous p SET place = t.put_down, who = r.who, wall_until = until, fence = r.fence
    WHERE p.ns = t.ns AND p.resource_id = substr(claim, 3);
    IF NOT FOUND THEN
      INSERT INTO previous VALUES (t.ns, substr(claim, 3), t.put_down, r.who, until, r.fence);
      INSERT INTO previous_queue VALUES (t.ns, t.put_down, substr(claim, 3));
      t.remembered := t.remembered + 1;
    END IF;
    WHILE t.remembered > t.keep_previous LOOP
      t := forget_oldest(t);
    END LOOP;
  END LOOP;
  RETURN t;
END $$;

-- Takes the first of the queue out: either it is the oldest, or it has moved to the end since and is queued there.
CREATE FUNCTION forget_oldest(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  first previous_queue;
  now_at bigint;
BEGIN
  SELECT * INTO first FROM previous_queue q WHERE q.ns = t.ns ORDER BY q.place LIMIT 1;
  DELETE FROM previous_queue q WHERE q.ns = t.ns AND q.place = first.place;
  DELETE FROM previous p WHERE p.ns = t.ns AND p.resource_id = first.resource_id AND p.place = first.place;
  IF FOUND THEN
    t.remembered := t.remembered - 1;
    RETURN t;
  END IF;
  SELECT p.place INTO now_at FROM previous p WHERE p.ns = t.ns AND p.resource_id = first.resource_id;
  INSERT INTO previous_queue VALUES (t.ns, now_at, first.resource_id);
  RETURN t;
END $$;

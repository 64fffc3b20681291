-- What a lone step means for those who wait, in the usual case: one resource, asked for exclusively, whose line is in
-- order. As in `alone.sql`, there is no answer and nothing was done where it must go step by step.
--
-- All this is only called before `quiet_until`, and where nothing is unsettled: every lease and every waiter is live then.

-- Confirms what the session acknowledges for the first time; not if other messages were posted than it has received.
CREATE FUNCTION confirm_alone(n namespaces, k sessions, acked bigint, received text) RETURNS sessions LANGUAGE plpgsql AS $$
DECLARE
  messages text[] := ARRAY(
    SELECT o.message FROM outbox o
    WHERE o.ns = n.id AND o.session = k.id AND o.number > k.acked AND o.number <= acked ORDER BY o.number
  );
  -- The last of them is of the last message.
  beginnings text[] := string_to_array(received, E'\n');
  others integer := cardinality(beginnings) - cardinality(messages);
  m text;
  due bigint;
BEGIN
  FOR i IN 1 .. cardinality(messages) LOOP
    IF starts_with(messages[i], beginnings[others + i]) IS NOT TRUE THEN
      RETURN k;
    END IF;
  END LOOP;
  DELETE FROM outbox o WHERE o.ns = n.id AND o.session = k.id AND o.number <= acked;
  FOREACH m IN ARRAY messages LOOP
    IF m ^@ '["granted"' THEN
      UPDATE requests q
      SET due_at = greatest(q.due_at, least(n.seen_at + q.ttl_ms, q.granted_at + q.max_hold_ms)), confirmed = true
      WHERE q.ns = n.id AND q.id = (m::json ->> 2)::bigint AND q.held
      RETURNING q.due_at INTO due;
      k.keep_until := greatest(k.keep_until, due);
    END IF;
  END LOOP;
  k.acked := acked;
  RETURN k;
END $$;

-- The next moment at which a lease ends that somebody waits for, for a session that waits itself.
CREATE FUNCTION wake_alone(n namespaces, k sessions) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  due bigint;
BEGIN
  IF k.waiting > 0 THEN
    SELECT q.due_at INTO due FROM requests q
    WHERE q.ns = n.id AND q.wanted AND q.due_at >= n.quiet_until ORDER BY q.due_at LIMIT 1;
  END IF;
  RETURN num(due);
END $$;

-- Writes what has become of the namespace and the session. `events` are those up to the last; without any it is ''.
CREATE FUNCTION write_alone(n namespaces, k sessions, number bigint, wall bigint, count integer, events text, said text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  WITH logged AS (
    INSERT INTO log SELECT n.id, n.last_event, n.last_event - count + 1, wall, events WHERE count > 0
  ), met AS (
    UPDATE sessions s
    SET seen_at = k.seen_at, dead_ms = k.dead_ms, batch = number, posted = k.posted, acked = k.acked, waiting = k.waiting,
      due_at = k.due_at, keep_until = k.keep_until, answer = said
    WHERE s.ns = n.id AND s.id = k.id
  )
  UPDATE namespaces x
  SET last_id = n.last_id, last_fence = n.last_fence, last_event = n.last_event, waiting = n.waiting, put_down = n.put_down,
    remembered = n.remembered, quiet_until = least(n.quiet_until, k.due_at), seen_at = n.seen_at
  WHERE x.id = n.id;
  RETURN said;
END $$;

-- A heartbeat.
CREATE FUNCTION beat_alone(n namespaces, k sessions, number bigint, wall bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN write_alone(n, k, number, wall, 0, '',
    format('["%s",%s,%s,false,false,%s,[],[]]', n.epoch, n.seen_at, wall, wake_alone(n, k)));
END $$;

-- Puts a request for a node into the line in which others wait already.
CREATE FUNCTION join_alone(
  n namespaces, k sessions, number bigint, wall bigint, token text, who text, what text, claim text, ttl bigint, wait bigint,
  chain text, max_hold bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  resource text := substr(claim, 3);
  ahead bigint;
BEGIN
  -- Its holder knows that somebody waits, and need not be told. (With OFFSET 0 the planner does not take the index of
  -- what is wanted for this.)
  SELECT greatest(
    (SELECT c.request_id FROM claims c WHERE c.ns = n.id AND NOT c.held AND NOT c.shared AND c.resource_id = resource
      ORDER BY c.request_id DESC LIMIT 1),
    (SELECT c.request_id FROM claims c WHERE c.ns = n.id AND NOT c.held AND c.shared AND c.resource_id = resource
      ORDER BY c.request_id DESC LIMIT 1))
  INTO ahead
  FROM claims c, LATERAL (SELECT q.wanted FROM requests q WHERE q.ns = n.id AND q.id = c.request_id OFFSET 0) q
  WHERE c.ns = n.id AND c.held AND NOT c.shared AND c.resource_id = resource AND q.wanted;
  -- Whoever holds nothing and waits for nothing yet closes no circle.
  IF ahead IS NULL OR chain IS NOT NULL AND EXISTS (
    SELECT FROM requests q WHERE q.ns = n.id AND q.chain = join_alone.chain OFFSET 0
  ) THEN
    RETURN NULL;
  END IF;
  n.last_id := n.last_id + 1;
  n.last_event := n.last_event + 1;
  n.waiting := n.waiting + 1;
  n.quiet_until := least(n.quiet_until, n.seen_at + wait);
  k.waiting := k.waiting + 1;
  INSERT INTO requests
  VALUES (n.id, n.last_id, false, k.id, k.birth, chain, ARRAY[claim], who, what, ttl, max_hold, hash_of(token), n.seen_at,
    n.seen_at + wait, ahead);
  INSERT INTO claims VALUES (n.id, false, false, resource, n.last_id, false);
  INSERT INTO waiting_under SELECT n.id, false, above, n.last_id, resource FROM unnest(ancestors_of(resource)) above;
  RETURN write_alone(n, k, number, wall, 1, format('["waiting",%s,%s,null,null,null,null]', who, what),
    format('["%s",%s,%s,false,false,%s,[],[["waiting",%s,%s]]]', n.epoch, n.seen_at, wall, wake_alone(n, k), n.last_id,
      n.last_event));
END $$;

-- Ends a lease of one exclusive claim, and remembers who held it.
CREATE FUNCTION put_down_alone(n namespaces, r requests, wall bigint, resource text) RETURNS namespaces LANGUAGE plpgsql AS $$
BEGIN
  n.put_down := n.put_down + 1;
  DELETE FROM requests q WHERE q.ns = n.id AND q.id = r.id;
  DELETE FROM claims c
  WHERE c.ns = n.id AND c.held AND NOT c.shared AND c.resource_id = resource AND c.request_id = r.id;
  UPDATE previous p SET place = n.put_down, who = r.who, wall_until = wall, fence = r.fence
  WHERE p.ns = n.id AND p.resource_id = resource;
  IF NOT FOUND THEN
    INSERT INTO previous VALUES (n.id, resource, n.put_down, r.who, wall, r.fence);
    INSERT INTO previous_queue VALUES (n.id, n.put_down, resource);
    n.remembered := n.remembered + 1;
  END IF;
  RETURN n;
END $$;

-- Releases a lease for which `w` waits, and grants him the resource.
CREATE FUNCTION hand_over(n namespaces, k sessions, number bigint, wall bigint, r requests, w requests) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  now bigint := n.seen_at;
  claim text := r.claims[1];
  resource text := substr(claim, 3);
  -- Whom it is granted to.
  s sessions;
  waiters integer;
  due bigint;
  message text;
  messages text := '';
BEGIN
  SELECT x.* INTO s FROM sessions x
  WHERE x.ns = n.id AND x.id = w.session AND x.birth = w.birth
    AND NOT EXISTS (SELECT FROM requests q WHERE q.ns = n.id AND q.blocker = r.id AND q.id <> w.id OFFSET 0)
    AND NOT EXISTS (
      SELECT FROM (VALUES (false), (true)) kind (shared), LATERAL (
        SELECT FROM claims c
        WHERE c.ns = n.id AND NOT c.held AND c.shared = kind.shared AND c.resource_id = resource AND c.request_id < w.id
        OFFSET 0
      ) c
    );
  -- Nobody else waited for this very lease, nobody before him waits for the resource, and no chain changes that anybody
  -- else belongs to. (`w.held` is false: said so, the planner takes no index of what waits for this.)
  IF s.id IS NULL OR r.claims <> w.claims OR left(claim, 1) = 's' OR coalesce(r.chain, w.chain) IS NOT NULL AND EXISTS (
    SELECT FROM requests q
    WHERE q.ns = n.id AND q.chain = ANY (ARRAY[r.chain, w.chain]) AND q.held = w.held AND q.id <> w.id OFFSET 0
  ) THEN
    RETURN NULL;
  END IF;
  n := put_down_alone(n, r, wall, resource);
  SELECT count(*) INTO waiters FROM (
    SELECT FROM (VALUES (false), (true)) kind (shared), LATERAL (
      SELECT FROM claims c
      WHERE c.ns = n.id AND NOT c.held AND c.shared = kind.shared AND c.resource_id = resource OFFSET 0
    ) c LIMIT 1000
  ) c;
  IF s.id = k.id THEN
    s := k;
  END IF;
  s.posted := s.posted + 1;
  s.waiting := s.waiting - 1;
  due := least(now + w.ttl_ms, s.seen_at + s.dead_ms);
  s.keep_until := greatest(s.keep_until, due);
  n.waiting := n.waiting - 1;
  n.last_fence := greatest(n.last_fence + 1, wall * 1000);
  n.last_event := n.last_event + 2;
  n.quiet_until := least(n.quiet_until, due);
  UPDATE requests q
  SET held = true, due_at = due, blocker = NULL, fence = n.last_fence, granted_at = now, wall_locked_at = wall,
    confirmed = false, wanted = waiters > 1
  WHERE q.ns = n.id AND q.id = w.id;
  UPDATE claims c SET held = true
  WHERE c.ns = n.id AND NOT c.held AND NOT c.shared AND c.resource_id = resource AND c.request_id = w.id;
  DELETE FROM waiting_under u
  WHERE u.ns = n.id AND NOT u.shared AND u.ancestor_id = ANY (ancestors_of(resource)) AND u.request_id = w.id;
  message := format('["granted",%s,%s,%s,%s,%s,[[%s,%s,%s,%s]],%s,%s,%s]', s.posted, w.id, n.last_fence, wall, due,
    to_json(resource), r.who, wall, r.fence, waiters - 1, now - w.queued_at, n.last_event);
  INSERT INTO outbox VALUES (n.id, s.id, s.posted, message);
  IF s.id = k.id THEN
    k := s;
    messages := message;
  ELSE
    UPDATE sessions x SET posted = s.posted, waiting = s.waiting, keep_until = s.keep_until WHERE x.ns = n.id AND x.id = s.id;
    message := '["' || n.epoch || '",[' || message || ']]';
    PERFORM pg_notify(channel_of(n.name, s.id), CASE WHEN octet_length(message) < 7900 THEN message ELSE '' END);
  END IF;
  RETURN write_alone(n, k, number, wall, 2,
    format('["unlocked",%s,%s,%s,%s,null,null],["locked",%s,%s,%s,null,%s,null]',
      r.who, r.what, r.fence, now - r.granted_at, w.who, w.what, n.last_fence, now - w.queued_at),
    format('["%s",%s,%s,false,false,%s,[%s],[["released",true,false,%s,%s]]]',
      n.epoch, now, wall, wake_alone(n, k), messages, now - r.granted_at, n.last_event - 1));
END $$;

-- A batch of a single step that grants one node which nobody else wants, or releases a lease that nobody waits for. It
-- gives the same answer as step by step, with as few statements and expressions as can be, because for a lone step
-- these are what it costs. There is no answer, and nothing was done, where it must go step by step.

CREATE FUNCTION apply_alone(namespace text, session text, epoch text, h bigint[], asked json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  m record;
  s record;
  r requests;
  claim text;
  event text;
  outcome text;
  -- The expiry of what was granted.
  due bigint;
  said text;
BEGIN
  -- The session is known and has missed nothing, nothing is due, and there is nothing to forget.
  SELECT n.id AS ns, n.epoch, f.now, c.wall, k.birth, n.waiting, n.followed_until, n.last_id, n.put_down, 0 AS added,
    greatest(n.last_fence + 1, c.wall * 1000) AS fence,
    n.last_event + 1 AS event,
    f.now < least(n.quiet_until, k.seen_at + k.dead_ms) AND n.unsettled = 0 AND n.trees = 0 AND k.waiting = 0
      AND h[1] > k.batch AND h[2] = k.acked AND k.posted = k.acked AND h[4] <= n.last_fence AND h[5] <= k.batch
      AND h[6] <= n.last_id AND h[7] > 0 AND (n.last_event - h[7] - n.log_from) * 8 < h[7] AND n.remembered + 128 < h[8]
      AND (n.epoch = apply_alone.epoch) IS NOT FALSE AND pg_try_advisory_xact_lock(guard_key(namespace)) AS is_simple
  INTO m
  FROM clocks() c, namespaces n JOIN sessions k ON k.ns = n.id AND k.id = session,
    LATERAL (SELECT greatest(c.lease, n.seen_at, k.seen_at) AS now) f
  WHERE n.name = namespace;
  IF m.is_simple IS NOT TRUE THEN
    RETURN NULL;
  END IF;
  IF h[10] = 1 THEN
    claim := asked -> 'claims' ->> 0;
    SELECT a.*, least(a.ttl, a.max_hold) AS term, m.now + least(a.ttl, a.max_hold) AS due,
      '[' || to_json(p.resource_id) || ',' || p.who || ',' || p.wall_until || ',' || p.fence || ']' AS previous,
      EXISTS (SELECT FROM claims c WHERE c.ns = m.ns AND c.held AND NOT c.shared AND c.resource_id = substr(claim, 3))
        OR left(claim, 1) = 'e'
          AND EXISTS (SELECT FROM claims c WHERE c.ns = m.ns AND c.held AND c.shared AND c.resource_id = substr(claim, 3))
        OR m.waiting > 0 AND (
          EXISTS (SELECT FROM claims c WHERE c.ns = m.ns AND NOT c.held AND NOT c.shared AND c.resource_id = substr(claim, 3))
          OR left(claim, 1) = 'e' AND EXISTS (
            SELECT FROM claims c WHERE c.ns = m.ns AND NOT c.held AND c.shared AND c.resource_id = substr(claim, 3)))
        AS is_taken
    INTO s
    FROM json_to_record(asked) AS a (token text, who text, what text, claims text[], ttl bigint, chain text, max_hold bigint)
    LEFT JOIN previous p ON p.ns = m.ns AND p.resource_id = substr(claim, 3) AND p.wall_until > m.wall - h[9];
    IF s.is_taken OR cardinality(s.claims) > 1 THEN
      RETURN NULL;
    END IF;
    INSERT INTO requests
    VALUES (m.ns, m.last_id + 1, true, session, m.birth, s.chain, s.claims, s.who, s.what, s.term, s.max_hold,
      hash_of(s.token), m.now, s.due, NULL, NULL, NULL, m.fence, m.now, m.wall, true, false);
    INSERT INTO claims VALUES (m.ns, true, left(claim, 1) = 's', substr(claim, 3), m.last_id + 1, false);
    due := s.due;
    event := '["locked",' || s.who || ',' || s.what || ',' || m.fence || ',null,0,null]';
    outcome := '["granted",' || m.last_id + 1 || ',' || m.fence || ',' || m.wall || ',' || s.due || ',['
      || coalesce(s.previous, '') || '],0,0,' || m.event || ']';
  ELSE
    DELETE FROM requests q
    WHERE q.ns = m.ns AND q.id = (asked ->> 'id')::bigint AND q.held AND q.token_hash = hash_of(asked ->> 'token')
      AND q.owner_hashes IS NULL AND q.due_at + 0 > m.now AND NOT q.wanted
      AND (m.waiting = 0 OR NOT EXISTS (SELECT FROM requests w WHERE w.ns = m.ns AND w.blocker = q.id OFFSET 0))
    RETURNING * INTO r;
    IF r.id IS NULL THEN
      RETURN NULL;
    END IF;
    FOREACH claim IN ARRAY r.claims LOOP
      DELETE FROM claims c
      WHERE c.ns = m.ns AND c.held AND c.shared = (left(claim, 1) = 's') AND c.resource_id = substr(claim, 3)
        AND c.request_id = r.id;
      m.put_down := m.put_down + 1;
      UPDATE previous p SET place = m.put_down, who = r.who, wall_until = m.wall, fence = r.fence
      WHERE p.ns = m.ns AND p.resource_id = substr(claim, 3);
      IF NOT FOUND THEN
        INSERT INTO previous VALUES (m.ns, substr(claim, 3), m.put_down, r.who, m.wall, r.fence);
        INSERT INTO previous_queue VALUES (m.ns, m.put_down, substr(claim, 3));
        m.added := m.added + 1;
      END IF;
    END LOOP;
    event := '["unlocked",' || r.who || ',' || r.what || ',' || r.fence || ',' || m.now - r.granted_at || ',null,null]';
    outcome := '["released",true,false,' || m.now - r.granted_at || ',' || m.event || ']';
  END IF;
  said := '["' || m.epoch || '",' || m.now || ',' || m.wall || ',false,false,null,[],[' || outcome || ']]';
  WITH logged AS (
    INSERT INTO log VALUES (m.ns, m.event, m.event, m.wall, event)
  ), met AS (
    UPDATE sessions k
    SET seen_at = m.now, dead_ms = h[3], batch = h[1], due_at = least(k.due_at, m.now + h[3]),
      keep_until = greatest(k.keep_until, due),
      answer = said
    WHERE k.ns = m.ns AND k.id = session
  )
  UPDATE namespaces n
  SET last_id = n.last_id + h[10], last_fence = CASE h[10] WHEN 1 THEN m.fence ELSE n.last_fence END, last_event = m.event,
    put_down = m.put_down, remembered = n.remembered + m.added, quiet_until = least(n.quiet_until, due, m.now + h[3]),
    seen_at = m.now
  WHERE n.id = m.ns;
  IF m.followed_until > m.now THEN
    PERFORM pg_notify(channel_of(namespace, ''), '');
  END IF;
  RETURN said;
END $$;

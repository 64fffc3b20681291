-- A batch of a single step that grants one node which nobody else wants, or releases the lease of one that nobody waits
-- for. It gives the same answer as step by step, with as few statements and expressions as can be, because for a lone
-- step these are what it costs: what the two need is therefore said twice. There is no answer, and nothing was done,
-- where it must go step by step.

-- Who held the resource last is told where that was after `oldest`.
CREATE FUNCTION acquire_alone(
  n namespaces, k sessions, number bigint, wall bigint, oldest bigint,
  token text, who text, what text, claim text, ttl bigint, wait bigint, chain text, max_hold bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  resource text := substr(claim, 3);
  is_shared boolean := left(claim, 1) = 's';
  now bigint := n.seen_at;
  due bigint := now + ttl;
  fence bigint := greatest(n.last_fence + 1, wall * 1000);
  last text;
  wake text := 'null';
  said text;
BEGIN
  -- Taken or asked for by another: a shared claim asks for the exclusive ones only.
  INSERT INTO claims
  SELECT n.id, true, is_shared, resource, n.last_id + 1, false
  WHERE NOT EXISTS (
    SELECT FROM (VALUES (true, false), (true, true), (false, false), (false, true)) kind (held, shared), LATERAL (
      SELECT FROM claims c
      WHERE c.ns = n.id AND c.held = kind.held AND c.shared = kind.shared AND c.resource_id = resource OFFSET 0
    ) c
    WHERE (kind.held OR n.waiting > 0) AND NOT (kind.shared AND is_shared)
  );
  IF NOT FOUND THEN
    IF is_shared OR wait = 0 OR n.waiting = 0 THEN
      RETURN NULL;
    END IF;
    RETURN join_alone(n, k, number, wall, token, who, what, claim, ttl, wait, chain, max_hold);
  END IF;
  INSERT INTO requests
  VALUES (n.id, n.last_id + 1, true, k.id, k.birth, chain, ARRAY[claim], who, what, ttl, max_hold, hash_of(token), now, due,
    NULL, NULL, NULL, fence, now, wall, true, false);
  SELECT format('[%s,%s,%s,%s]', to_json(p.resource_id), p.who, p.wall_until, p.fence) INTO last
  FROM previous p WHERE p.ns = n.id AND p.resource_id = resource AND p.wall_until > oldest;
  IF k.waiting > 0 THEN
    n.quiet_until := least(n.quiet_until, due);
    wake := wake_alone(n, k);
  END IF;
  said := format('["%s",%s,%s,false,false,%s,[],[["granted",%s,%s,%s,%s,[%s],0,0,%s]]]',
    n.epoch, now, wall, wake, n.last_id + 1, fence, wall, due, last, n.last_event + 1);
  WITH logged AS (
    INSERT INTO log
    VALUES (n.id, n.last_event + 1, n.last_event + 1, wall, format('["locked",%s,%s,%s,null,0,null]', who, what, fence))
  ), met AS (
    UPDATE sessions s
    SET seen_at = now, dead_ms = k.dead_ms, batch = number, acked = k.acked, due_at = k.due_at,
      keep_until = greatest(k.keep_until, due), answer = said
    WHERE s.ns = n.id AND s.id = k.id
  )
  UPDATE namespaces x
  SET last_id = n.last_id + 1, last_fence = fence, last_event = n.last_event + 1,
    quiet_until = least(n.quiet_until, due, k.due_at), seen_at = now
  WHERE x.id = n.id;
  RETURN said;
END $$;

CREATE FUNCTION release_alone(
  n namespaces, k sessions, number bigint, wall bigint, token text, lease bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  now bigint := n.seen_at;
  r requests;
  w requests;
  resource text;
  last_place bigint := n.put_down + 1;
  added integer := 0;
  wake text := 'null';
  said text;
BEGIN
  IF n.waiting > 0 THEN
    SELECT * INTO w FROM requests q WHERE q.ns = n.id AND q.blocker = lease ORDER BY q.id LIMIT 1;
    IF FOUND THEN
      SELECT * INTO r FROM requests q
      WHERE q.ns = n.id AND q.id = lease AND q.held AND q.token_hash = hash_of(token) AND q.owner_hashes IS NULL
        AND cardinality(q.claims) = 1;
      RETURN CASE WHEN FOUND THEN hand_over(n, k, number, wall, r, w) END;
    END IF;
  END IF;
  DELETE FROM requests q
  WHERE q.ns = n.id AND q.id = lease AND q.held AND q.token_hash = hash_of(token) AND q.owner_hashes IS NULL
    AND cardinality(q.claims) = 1 AND NOT (q.wanted AND q.chain IS NOT NULL)
  RETURNING * INTO r;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  resource := substr(r.claims[1], 3);
  DELETE FROM claims c
  WHERE c.ns = n.id AND c.held AND c.shared = (left(r.claims[1], 1) = 's') AND c.resource_id = resource
    AND c.request_id = lease;
  UPDATE previous p SET place = last_place, who = r.who, wall_until = wall, fence = r.fence
  WHERE p.ns = n.id AND p.resource_id = resource;
  IF NOT FOUND THEN
    INSERT INTO previous VALUES (n.id, resource, last_place, r.who, wall, r.fence);
    INSERT INTO previous_queue VALUES (n.id, last_place, resource);
    added := 1;
  END IF;
  IF k.waiting > 0 THEN
    wake := wake_alone(n, k);
  END IF;
  said := format('["%s",%s,%s,false,false,%s,[],[["released",true,false,%s,%s]]]',
    n.epoch, now, wall, wake, now - r.granted_at, n.last_event + 1);
  WITH logged AS (
    INSERT INTO log
    VALUES (n.id, n.last_event + 1, n.last_event + 1, wall,
      format('["unlocked",%s,%s,%s,%s,null,null]', r.who, r.what, r.fence, now - r.granted_at))
  ), met AS (
    UPDATE sessions s
    SET seen_at = now, dead_ms = k.dead_ms, batch = number, acked = k.acked, due_at = k.due_at, keep_until = k.keep_until,
      answer = said
    WHERE s.ns = n.id AND s.id = k.id
  )
  UPDATE namespaces x
  SET last_event = n.last_event + 1, put_down = last_place, remembered = n.remembered + added,
    quiet_until = least(n.quiet_until, k.due_at), seen_at = now
  WHERE x.id = n.id;
  RETURN said;
END $$;

-- Batches that only grant what nobody else wants and only release what nobody waits for: nearly all. They give the same
-- answers as step by step (the comparison with the reference plays both), but a statement deals with all their steps
-- at once, because each statement and each function costs more than what it does.
--
-- The client says which batches may be such: acquires of nodes, neither re-entrant nor beside a held lease, and
-- releases, in which no resource and no lease comes twice. Whether it is true is seen here, before anything is written.
--
-- OFFSET 0 keeps the planner to point reads: by the statistics of a table that was empty when it looked, reading all of
-- it is as good.

-- What became of the grants or the releases of a batch; nothing was done unless `is_done`.
CREATE TYPE quick AS (
  is_done boolean,
  places bigint[],
  outcomes text[],
  events text[],
  -- Of grants the earliest and the latest expiry; of releases how many resources are free, and of how many of these no
  -- holder was remembered before.
  first_due bigint,
  last_due bigint,
  put_down integer,
  remembered integer
);

-- Grants all that is asked for, if all of it is free and nobody waits for any of it.
CREATE FUNCTION grant_quickly(t turn, steps json) RETURNS quick LANGUAGE plpgsql AS $$
DECLARE
  done quick;
  fence bigint := greatest(t.last_fence + 1, t.wall * 1000) - 1;
  oldest bigint := CASE t.keep_previous WHEN 0 THEN t.wall ELSE t.wall - t.keep_previous_ms END;
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT x.i, x.nth, x.token, x.who, x.what, x.claims, x.chain, x.max_hold, least(x.ttl, x.max_hold) AS ttl,
      t.now + least(x.ttl, x.max_hold) AS due
    FROM ROWS FROM (
      json_to_recordset(steps) AS (
        nth integer, token text, who text, what text, claims text[], ttl bigint, chain text, max_hold bigint
      )
    ) WITH ORDINALITY x (nth, token, who, what, claims, ttl, chain, max_hold, i)
    WHERE x.claims IS NOT NULL
  ), claimed AS MATERIALIZED (
    SELECT a.nth, left(claim, 1) = 's' AS shared, substr(claim, 3) AS id FROM asked a, unnest(a.claims) claim
  ), free AS MATERIALIZED (
    SELECT NOT EXISTS (
      SELECT FROM claimed c
      WHERE EXISTS (SELECT FROM claims k WHERE k.ns = t.ns AND k.held AND NOT k.shared AND k.resource_id = c.id OFFSET 0)
        OR NOT c.shared AND EXISTS (SELECT FROM claims k WHERE k.ns = t.ns AND k.held AND k.shared AND k.resource_id = c.id OFFSET 0)
        OR t.waiting > 0 AND (
          EXISTS (SELECT FROM claims k WHERE k.ns = t.ns AND NOT k.held AND NOT k.shared AND k.resource_id = c.id OFFSET 0)
          OR NOT c.shared AND EXISTS (SELECT FROM claims k WHERE k.ns = t.ns AND NOT k.held AND k.shared AND k.resource_id = c.id OFFSET 0))
    ) AS is_all
  ), granted AS (
    INSERT INTO requests
    SELECT t.ns, t.last_id + a.nth, true, t.me, t.me_birth, a.chain, a.claims, a.who, a.what, a.ttl, a.max_hold,
      hash_of(a.token), t.now, a.due, NULL, NULL, NULL, fence + a.nth, t.now, t.wall, true, false
    FROM free, asked a WHERE free.is_all
  ), found AS (
    INSERT INTO claims
    SELECT t.ns, true, c.shared, c.id, t.last_id + c.nth, false FROM free, claimed c WHERE free.is_all
  )
  SELECT bool_and(free.is_all), array_agg(a.i),
    array_agg('["granted",' || t.last_id + a.nth || ',' || fence + a.nth || ',' || t.wall || ',' || a.due || ',['
      || coalesce((
        SELECT string_agg('[' || to_json(p.resource_id) || ',' || p.who || ',' || p.wall_until || ',' || p.fence || ']', ',')
        FROM unnest(a.claims) claim, LATERAL (
          SELECT * FROM previous p
          WHERE p.ns = t.ns AND p.resource_id = substr(claim, 3) AND p.wall_until > oldest OFFSET 0
        ) p
      ), '') || '],0,0,' || CASE t.keep_events WHEN 0 THEN 'null' ELSE (t.last_event + a.i)::text END || ']'),
    array_agg('["locked",' || a.who || ',' || a.what || ',' || fence + a.nth || ',null,0,null]'),
    min(a.due), max(a.due), NULL, NULL
  INTO done
  FROM free, asked a;
  RETURN done;
END $$;

-- Releases all, if each is a live lease of one owner, who releases it, and nobody waits for any of it.
CREATE FUNCTION release_quickly(t turn, steps json, count bigint) RETURNS quick LANGUAGE plpgsql AS $$
DECLARE
  done quick;
BEGIN
  WITH known AS MATERIALIZED (
    SELECT x.i, q.ctid AS row, q.id, q.claims, q.who, q.what, q.fence, q.granted_at
    FROM ROWS FROM (json_to_recordset(steps) AS (id bigint, token text)) WITH ORDINALITY x (id, token, i),
    LATERAL (SELECT q.ctid, q.* FROM requests q WHERE q.ns = t.ns AND q.id = x.id OFFSET 0) q
    WHERE q.held AND q.token_hash = hash_of(x.token) AND q.owner_hashes IS NULL AND q.due_at > t.now AND NOT q.wanted
      AND (t.waiting = 0 OR NOT EXISTS (SELECT FROM requests w WHERE w.ns = t.ns AND w.blocker = q.id OFFSET 0))
  ), whole AS MATERIALIZED (
    SELECT count(*) = release_quickly.count AS is_all FROM known
  ), freed AS MATERIALIZED (
    SELECT row_number() OVER () AS nth, k.id, k.who, k.fence, left(claim, 1) = 's' AS shared,
      substr(claim, 3) AS resource_id
    FROM whole, known k, unnest(k.claims) claim WHERE whole.is_all
  ), ended AS (
    DELETE FROM requests q WHERE q.ctid = ANY (ARRAY(SELECT k.row FROM whole, known k WHERE whole.is_all))
  ), left_claims AS (
    DELETE FROM claims c WHERE c.ctid = ANY (ARRAY(
      SELECT c.ctid FROM freed f, LATERAL (
        SELECT c.ctid FROM claims c
        WHERE c.ns = t.ns AND c.held AND c.shared = f.shared AND c.resource_id = f.resource_id AND c.request_id = f.id
        OFFSET 0
      ) c))
  ), put_down AS (
    INSERT INTO previous AS p
    SELECT DISTINCT ON (f.resource_id) t.ns, f.resource_id, t.put_down + f.nth, f.who, t.wall, f.fence
    FROM freed f WHERE t.keep_previous > 0 ORDER BY f.resource_id, f.nth DESC
    ON CONFLICT (ns, resource_id) DO UPDATE
    SET place = excluded.place, who = excluded.who, wall_until = excluded.wall_until, fence = excluded.fence
    -- Only a new row has no transaction that replaced it.
    RETURNING p.place, p.resource_id, p.xmax = 0 AS is_new
  ), queued AS (
    INSERT INTO previous_queue SELECT t.ns, p.place, p.resource_id FROM put_down p WHERE p.is_new
    RETURNING 1
  )
  SELECT bool_and(whole.is_all), array_agg(k.i),
    array_agg('["released",true,false,' || t.now - k.granted_at || ','
      || CASE t.keep_events WHEN 0 THEN 'null' ELSE (t.last_event + k.i)::text END || ']'),
    array_agg('["unlocked",' || k.who || ',' || k.what || ',' || k.fence || ',' || t.now - k.granted_at || ',null,null]'),
    NULL, NULL, (SELECT count(*) FROM freed), (SELECT count(*) FROM queued)
  INTO done
  FROM whole, known k;
  RETURN done;
END $$;

-- Does the whole batch, or nothing: then there is no answer.
CREATE FUNCTION apply_quickly(t turn, number bigint, grants bigint, releases bigint, steps json)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  events text;
  answer text;
  is_written boolean;
BEGIN
  t := CASE WHEN grants = 0 THEN release_all(t, steps, releases)
    WHEN releases = 0 THEN grant_all(t, steps, grants)
    ELSE do_both(t, steps, grants, releases) END;
  IF t.reply IS NULL THEN
    RETURN NULL;
  END IF;
  t.me_batch := number;
  events := CASE t.keep_events WHEN 0 THEN '' ELSE array_to_string(t.events, ',') END;
  answer := finish(t, false, t.reply);
  is_written := flush(t, t.last_event + 1 - grants - releases, events, answer, false);
  IF t.followed_until > t.now THEN
    is_written := notify_others(t, events <> '');
  END IF;
  RETURN answer;
END $$;

CREATE FUNCTION grant_all(t turn, steps json, grants bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  done quick := grant_quickly(t, steps);
BEGIN
  IF done.is_done THEN
    t := noted(with_grants(t, done, grants), done, grants);
  END IF;
  RETURN t;
END $$;

CREATE FUNCTION release_all(t turn, steps json, releases bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  done quick := release_quickly(t, steps, releases);
BEGIN
  IF done.is_done THEN
    t := noted(with_releases(t, done), done, releases);
  END IF;
  RETURN t;
END $$;

CREATE FUNCTION with_grants(t turn, done quick, grants bigint) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.last_id := t.last_id + grants;
  t.last_fence := greatest(t.last_fence + 1, t.wall * 1000) - 1 + grants;
  t.quiet_until := least(t.quiet_until, done.first_due);
  t.me_keep := greatest(t.me_keep, done.last_due);
  RETURN t;
END $$;

CREATE FUNCTION with_releases(t turn, done quick) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.put_down := t.put_down + done.put_down;
  t.remembered := t.remembered + done.remembered;
  WHILE t.remembered > t.keep_previous AND t.keep_previous > 0 LOOP
    t := forget_oldest(t);
  END LOOP;
  RETURN t;
END $$;

CREATE FUNCTION noted(t turn, done quick, steps bigint) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.reply := '[' || array_to_string(done.outcomes, ',') || ']';
  t.events := done.events;
  t.last_event := t.last_event + CASE t.keep_events WHEN 0 THEN 0 ELSE steps END;
  RETURN t;
END $$;

-- A batch of both kinds: what one half has done is taken back if the other half cannot be done.
CREATE FUNCTION do_both(t turn, steps json, grants bigint, releases bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  before turn := t;
  granted quick;
  released quick;
BEGIN
  -- Not as its initial value: that would not be taken back.
  granted := grant_quickly(t, steps);
  IF granted.is_done IS NOT TRUE THEN
    RETURN t;
  END IF;
  released := release_quickly(t, steps, releases);
  IF released.is_done IS NOT TRUE THEN
    RAISE EXCEPTION 'the grants of this batch are taken back' USING ERRCODE = 'HF003';
  END IF;
  SELECT array_agg(f.outcome ORDER BY f.i), array_agg(f.event ORDER BY f.i) INTO granted.outcomes, granted.events
  FROM (
    SELECT * FROM unnest(granted.places, granted.outcomes, granted.events)
    UNION ALL
    SELECT * FROM unnest(released.places, released.outcomes, released.events)
  ) f (i, outcome, event);
  t := with_releases(with_grants(t, granted, grants), released);
  RETURN noted(t, granted, grants + releases);
EXCEPTION
  WHEN SQLSTATE 'HF003' THEN
    RETURN before;
END $$;

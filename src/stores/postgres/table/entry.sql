-- What a store calls.

-- The namespace, which is made if it is not there.
CREATE FUNCTION make_namespace(namespace text) RETURNS namespaces LANGUAGE plpgsql AS $$
DECLARE
  n namespaces;
BEGIN
  SELECT * INTO n FROM namespaces x WHERE x.name = namespace;
  IF NOT FOUND THEN
    INSERT INTO namespaces (name, epoch)
    VALUES (namespace, left(encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'), 32))
    RETURNING * INTO n;
  END IF;
  RETURN n;
END $$;

-- Executes a batch, the first and only thing of its transaction.
--
-- `received` is how each message begins that is acknowledged for the first time, one to a line. `acquires` and `releases`
-- are how many of them there are in a batch that can be executed quickly, or zeros. `looks` is whether the steps only
-- look: such a batch does not make a session. `token` and what follows are the only step of a batch that can be executed
-- alone, which stands in `steps` as well: so nobody has to read JSON for it.
--
-- The settings of the planner keep it to point reads by index, whatever it thinks of tables that were empty when it
-- looked at them last.
CREATE FUNCTION apply(
  namespace text, session text, epoch text, number bigint, acked bigint, dead_ms bigint, floor bigint, answered bigint,
  last_id bigint, keep_events bigint, keep_previous bigint, keep_previous_ms bigint, acquires bigint, releases bigint,
  received text, looks boolean, steps text,
  token text, lease bigint, who text, what text, claim text, ttl bigint, wait bigint, chain text, max_hold bigint,
  durability text
)
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
  n namespaces;
  k sessions;
  wall bigint;
  now bigint;
  t turn;
  answer text;
BEGIN
  IF durability IS NOT NULL THEN
    durability := set_config('synchronous_commit', durability, true);
  END IF;
  IF NOT lock_namespace(namespace) THEN
    PERFORM refuse_isolation();
  END IF;
  SELECT * INTO n FROM namespaces x WHERE x.name = namespace;
  IF NOT FOUND THEN
    n := make_namespace(namespace);
  END IF;
  SELECT * INTO k FROM sessions s WHERE s.ns = n.id AND s.id = session;
  wall := wall_clock();
  now := greatest(lease_clock(wall), n.seen_at, k.seen_at);
  -- The session is known and has missed nothing, and nothing is to be done in passing.
  IF now < n.quiet_until AND now < k.seen_at + k.dead_ms AND n.unsettled = 0 AND n.trees = 0
    AND number > k.batch AND acked >= k.acked AND k.posted = acked AND floor <= n.last_fence AND answered <= k.batch
    AND last_id <= n.last_id AND (epoch = n.epoch) IS NOT FALSE AND lock_guard(namespace)
  THEN
    n.seen_at := now;
    k.seen_at := now;
    k.dead_ms := apply.dead_ms;
    k.due_at := least(k.due_at, now + apply.dead_ms);
    IF acked > k.acked THEN
      k := confirm_alone(n, k, acked, received);
    END IF;
    IF k.acked = acked AND token IS NOT NULL AND keep_previous_ms > 0 AND n.remembered + 128 < keep_previous
      AND keep_events > 0 AND (n.last_event - keep_events - n.log_from) * 8 < keep_events
    THEN
      answer := CASE WHEN acquires > 0
        THEN acquire_alone(n, k, number, wall, wall - keep_previous_ms, token, who, what, claim, ttl, wait, chain, max_hold)
        ELSE release_alone(n, k, number, wall, token, lease) END;
      IF answer IS NOT NULL AND n.followed_until > now THEN
        PERFORM pg_notify(channel_of(namespace, ''), '');
      END IF;
    ELSIF k.acked = acked AND acquires + releases > 0 THEN
      t := begin_turn(n, k, session, now, wall, keep_events, keep_previous, keep_previous_ms);
      answer := apply_quickly(t, number, acquires, releases, steps::json);
    ELSIF k.acked = acked AND steps = '[]' THEN
      answer := beat_alone(n, k, number, wall);
    END IF;
    IF answer IS NOT NULL THEN
      RETURN answer;
    END IF;
  END IF;
  t := begin_turn(n, k, session, now, wall, keep_events, keep_previous, keep_previous_ms);
  RETURN apply_steps(t, ARRAY[number, acked, apply.dead_ms, floor, answered, last_id], received, epoch, looks, steps::json);
END $$;

-- Announces the growth of the namespace's log for the next minute.
CREATE FUNCTION follow(namespace text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
  n namespaces;
BEGIN
  IF NOT lock_namespace(namespace) THEN
    PERFORM refuse_isolation();
  END IF;
  n := make_namespace(namespace);
  UPDATE namespaces x SET followed_until = greatest(lease_clock(wall_clock()), n.seen_at) + 60000 WHERE x.id = n.id;
  RETURN '';
END $$;

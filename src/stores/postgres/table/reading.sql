-- What only looks.

-- The claim by which a lease covers a resource (for a tree: the whole of it).
CREATE FUNCTION covering_claim(r requests, resource text, scope text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  claim text;
BEGIN
  FOREACH claim IN ARRAY r.claims LOOP
    IF reaches_over(claim, 's' || scope || resource) THEN
      RETURN claim;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- The live leases that cover a resource (for a tree: the whole of it), nearest claim first, then earliest first, up to
-- `most`; with a fencing token only the one that has it.
CREATE FUNCTION covering_leases(t turn, resource text, scope text, most integer, with_fence bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  places text[] := ARRAY[CASE scope WHEN 't' THEN 't' ELSE 'a' END || resource];
  place text;
  above text;
  id bigint;
  r requests;
  seen bigint[] := '{}';
  found bigint[] := '{}';
BEGIN
  IF has_trees_around(t, resource) THEN
    FOREACH above IN ARRAY ancestors_of(resource) LOOP
      places := places || ('t' || above);
    END LOOP;
  END IF;
  FOREACH place IN ARRAY places LOOP
    FOREACH id IN ARRAY live_held_at(t, place, false, CASE WHEN with_fence IS NULL THEN most + cardinality(seen) ELSE 1000000000 END) LOOP
      CONTINUE WHEN id = ANY (seen);
      seen := seen || id;
      r := request(t, id);
      CONTINUE WHEN r.fence <> with_fence OR covering_claim(r, resource, scope) IS NULL;
      found := found || id;
      IF cardinality(found) >= most THEN
        RETURN found;
      END IF;
    END LOOP;
  END LOOP;
  RETURN found;
END $$;

-- Who holds a resource, who waits for it, who held it last.
CREATE FUNCTION inspect(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  r requests;
  leases text[] := '{}';
  waiting text[] := '{}';
  met bigint[] := '{}';
BEGIN
  IF s.leases > 0 THEN
    FOREACH id IN ARRAY covering_leases(t, s.resource, s.scope, s.leases, NULL) LOOP
      r := request(t, id);
      leases := leases || view_of(t, r, covering_claim(r, s.resource, s.scope));
    END LOOP;
  END IF;
  IF s.waiters > 0 THEN
    SELECT coalesce(array_agg(each ORDER BY each), '{}') INTO met
    FROM unnest(waiters_against(t, ARRAY['e' || s.scope || s.resource], NULL, s.waiters, true)) each;
  END IF;
  FOREACH id IN ARRAY met LOOP
    r := request(t, id);
    waiting := waiting || ('[' || r.who || ',' || r.what || ',' || r.queued_at || ']');
  END LOOP;
  t.reply := '["inspected",[' || array_to_string(leases, ',') || '],[' || array_to_string(waiting, ',') || '],'
    || previous_of(t, ARRAY['e' || s.scope || s.resource]) || ']';
  RETURN t;
END $$;

-- A page of held claims: exclusive ones first, each kind in order of resource and request.
CREATE FUNCTION list(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  page integer := 256;
  each record;
  r requests;
  claim text;
  met integer := 0;
  leases text[] := '{}';
  last text := 'null';
BEGIN
  FOR each IN SELECT * FROM held_claims(t, s, page) LOOP
    met := met + 1;
    last := '[' || bool(each.shared) || ',' || to_json(each.resource_id) || ',' || each.request_id || ']';
    r := request(t, each.request_id);
    CONTINUE WHEN r.due_at <= t.now OR t.now - r.granted_at < s.min_age;
    CONTINUE WHEN s.agent <> (r.who::json -> 0)::text;
    FOREACH claim IN ARRAY r.claims LOOP
      IF substr(claim, 3) = each.resource_id AND (left(claim, 1) = 's') = each.shared THEN
        leases := leases || view_of(t, r, claim);
        EXIT;
      END IF;
    END LOOP;
  END LOOP;
  t.reply := '["listed",[' || array_to_string(leases, ',') || '],' || CASE WHEN met < page THEN 'null' ELSE last END || ']';
  RETURN t;
END $$;

CREATE FUNCTION held_claims(t turn, s step, page integer)
RETURNS TABLE (shared boolean, resource_id text, request_id bigint) LANGUAGE plpgsql AS $$
DECLARE
  from_id text := greatest(s.prefix COLLATE "C", s.after_resource COLLATE "C");
BEGIN
  IF s.after_shared IS NOT TRUE THEN
    RETURN QUERY SELECT c.shared, c.resource_id, c.request_id FROM claims c
      WHERE c.ns = t.ns AND c.held AND NOT c.shared AND c.resource_id >= from_id
        AND (s.prefix_end IS NULL OR c.resource_id < s.prefix_end)
        AND (s.after_resource IS NULL OR (c.resource_id, c.request_id) > (s.after_resource, s.after_id))
      ORDER BY c.resource_id, c.request_id LIMIT page;
    GET DIAGNOSTICS page = ROW_COUNT;
    page := 256 - page;
    from_id := s.prefix;
  END IF;
  IF page > 0 THEN
    RETURN QUERY SELECT c.shared, c.resource_id, c.request_id FROM claims c
      WHERE c.ns = t.ns AND c.held AND c.shared AND c.resource_id >= from_id
        AND (s.prefix_end IS NULL OR c.resource_id < s.prefix_end)
        AND (s.after_shared IS NOT TRUE OR (c.resource_id, c.request_id) > (s.after_resource, s.after_id))
      ORDER BY c.resource_id, c.request_id LIMIT page;
  END IF;
END $$;

-- A page of the event log, or where it ends. Whoever is told of a gap can go on from there: nothing else is told with it.
CREATE FUNCTION read_events(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  oldest bigint := greatest(0, t.last_event - t.keep_events);
  is_known boolean := coalesce(s.since_epoch = t.epoch AND s.since <= t.last_event, false);
  page integer := least(s.page, 1024);
  told text;
  last bigint;
BEGIN
  IF s.since_epoch = '' THEN
    t.reply := '["events",[],' || t.last_event || ',false]';
    RETURN t;
  END IF;
  IF NOT is_known OR oldest > s.since THEN
    t.reply := '["events",[],' || CASE WHEN is_known THEN greatest(s.since, oldest) ELSE oldest END || ',true]';
    RETURN t;
  END IF;
  SELECT string_agg('[' || f.number || ',' || f.wall_at || ',' || f.event || ']', ',' ORDER BY f.number), max(f.number)
  INTO told, last
  FROM (
    SELECT l.first_event + e.place - 1 AS number, l.wall_at, e.event
    FROM (
      SELECT * FROM log WHERE log.ns = t.ns AND log.last_event > s.since ORDER BY log.last_event LIMIT page
    ) l, json_array_elements(('[' || l.events || ']')::json) WITH ORDINALITY e(event, place)
    WHERE l.first_event + e.place - 1 > s.since
    ORDER BY number LIMIT page
  ) f;
  t.reply := '["events",[' || coalesce(told, '') || '],' || coalesce(last, s.since) || ',false]';
  RETURN t;
END $$;

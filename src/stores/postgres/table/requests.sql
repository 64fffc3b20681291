-- Requests, with the claims by which they are found.

CREATE FUNCTION request(t turn, id bigint) RETURNS requests LANGUAGE plpgsql AS $$
DECLARE
  r requests;
BEGIN
  SELECT * INTO r FROM requests q WHERE q.ns = t.ns AND q.id = request.id;
  RETURN r;
END $$;

CREATE FUNCTION count_trees(claims text[]) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  claim text;
  trees integer := 0;
BEGIN
  FOREACH claim IN ARRAY claims LOOP
    IF substr(claim, 2, 1) = 't' THEN
      trees := trees + 1;
    END IF;
  END LOOP;
  RETURN trees;
END $$;

CREATE FUNCTION insert_request(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  claim text;
BEGIN
  INSERT INTO requests VALUES (r.*);
  t.trees := t.trees + count_trees(r.claims);
  t.quiet_until := least(t.quiet_until, r.due_at);
  IF cardinality(r.claims) = 1 THEN
    claim := r.claims[1];
    INSERT INTO claims VALUES (r.ns, r.held, left(claim, 1) = 's', substr(claim, 3), r.id, substr(claim, 2, 1) = 't');
  ELSE
    INSERT INTO claims
    SELECT r.ns, r.held, left(each, 1) = 's', substr(each, 3), r.id, substr(each, 2, 1) = 't' FROM unnest(r.claims) each
    ON CONFLICT DO NOTHING;
  END IF;
  IF NOT r.held THEN
    t.waiting := t.waiting + 1;
    INSERT INTO waiting_under
    SELECT r.ns, left(each, 1) = 's', above, r.id, substr(each, 3)
    FROM unnest(r.claims) each, unnest(ancestors_of(substr(each, 3))) above
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN t;
END $$;

CREATE FUNCTION forget_waiting_under(r requests) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  above text;
BEGIN
  FOREACH claim IN ARRAY r.claims LOOP
    FOREACH above IN ARRAY ancestors_of(substr(claim, 3)) LOOP
      DELETE FROM waiting_under w
      WHERE w.ns = r.ns AND w.shared = (left(claim, 1) = 's') AND w.ancestor_id = above AND w.request_id = r.id;
    END LOOP;
  END LOOP;
END $$;

CREATE FUNCTION delete_request(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  claim text;
BEGIN
  DELETE FROM requests q WHERE q.ns = r.ns AND q.id = r.id;
  t.trees := t.trees - count_trees(r.claims);
  FOREACH claim IN ARRAY r.claims LOOP
    DELETE FROM claims c
    WHERE c.ns = r.ns AND c.held = r.held AND c.shared = (left(claim, 1) = 's') AND c.resource_id = substr(claim, 3)
      AND c.request_id = r.id;
  END LOOP;
  IF NOT r.held THEN
    t.waiting := t.waiting - 1;
    PERFORM forget_waiting_under(r);
  END IF;
  RETURN t;
END $$;

-- Makes a waiting request a lease: `r` is what becomes of it.
CREATE FUNCTION hold_request(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  claim text;
BEGIN
  UPDATE requests q
  SET held = true, due_at = r.due_at, blocker = NULL, fence = r.fence, granted_at = r.granted_at,
    wall_locked_at = r.wall_locked_at, confirmed = r.confirmed, wanted = r.wanted
  WHERE q.ns = r.ns AND q.id = r.id;
  FOREACH claim IN ARRAY r.claims LOOP
    UPDATE claims c SET held = true
    WHERE c.ns = r.ns AND NOT c.held AND c.shared = (left(claim, 1) = 's') AND c.resource_id = substr(claim, 3)
      AND c.request_id = r.id;
  END LOOP;
  PERFORM forget_waiting_under(r);
  t.waiting := t.waiting - 1;
  t.quiet_until := least(t.quiet_until, r.due_at);
  RETURN t;
END $$;

-- The hashes of the ownership tokens that may end a lease, and the sessions that are told of its loss. Not by the names of
-- the columns: to Postgres a function of a row that is missing is a column of that row.
CREATE FUNCTION hashes_of_owners(r requests) RETURNS bytea[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(r.owner_hashes, ARRAY[r.token_hash])
$$;

CREATE FUNCTION sessions_of_owners(r requests) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(r.owner_sessions, ARRAY[r.session])
$$;

-- The sessions to be told of a lease, each once, in order.
CREATE FUNCTION owning_sessions(r requests) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  each text;
  once text[] := '{}';
BEGIN
  IF r.owner_sessions IS NULL THEN
    RETURN ARRAY[r.session];
  END IF;
  FOREACH each IN ARRAY r.owner_sessions LOOP
    IF each <> ALL (once) THEN
      once := once || each;
    END IF;
  END LOOP;
  RETURN once;
END $$;

-- Requests of a chain that wait, or that are held, in order of id.
CREATE FUNCTION of_chain(t turn, chain text, held boolean, page integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    SELECT q.id FROM requests q
    WHERE q.ns = t.ns AND q.chain = of_chain.chain AND q.held = of_chain.held ORDER BY q.id LIMIT page
  );
END $$;

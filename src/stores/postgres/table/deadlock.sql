-- Who waits for itself.

-- A request on the way of the search: what it waits for (leases first, then earlier waiters), how far that was looked
-- at, and the links of the cycle that lead on from it.
CREATE TYPE suspect AS (
  id bigint,
  claims text[],
  chain text,
  who text,
  queued_at bigint,
  edges bigint[],
  at integer,
  asks_waiters boolean,
  links text
);

-- Whether this request would wait for its own chain, or for itself where it stands in line already: a depth-first
-- search from the request along what it waits for (conflicting live leases and earlier live waiters), and from a lease
-- to the one open request of its chain. The cycle is left in `t.reply`, as a JSON list.
--
-- A chain with two open requests is not sequential, so neither its requests nor its leases lead anywhere. Gives up
-- after 1 000 edges, which is counted.
CREATE FUNCTION find_cycle(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  leases bigint[];
BEGIN
  t.reply := NULL;
  IF r.chain IS NULL THEN
    RETURN t;
  END IF;
  leases := leases_of_chain(t, r.chain, 64);
  IF cardinality(array_remove(open_requests_of(t, r.chain), r.id)) > 0 THEN
    RETURN t;
  END IF;
  IF cardinality(leases) < 64 AND NOT is_any_awaited(t, leases, r.claims) AND NOT is_followed(t, r) THEN
    RETURN t;
  END IF;
  RETURN search_cycle(t, r);
END $$;

-- Whether anybody, the suspect itself included, waits for one of these leases. Else there can be no cycle.
CREATE FUNCTION is_any_awaited(t turn, leases bigint[], claims text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  lease requests;
BEGIN
  FOREACH id IN ARRAY leases LOOP
    lease := request(t, id);
    IF first_meeting(lease.claims, claims) IS NOT NULL OR is_awaited(t, lease.claims) THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;

-- Whether anybody stands in line behind a suspect that waits already, and so may wait for it.
CREATE FUNCTION is_followed(t turn, r requests) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
BEGIN
  IF r.id > t.last_id THEN
    RETURN false;
  END IF;
  FOREACH claim IN ARRAY r.claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      IF cardinality(waiting_at(t, place, left(claim, 1) = 's', r.id, 9223372036854775807, 1)) > 0 THEN
        RETURN true;
      END IF;
    END LOOP;
  END LOOP;
  RETURN false;
END $$;

-- Where two requests meet, seen from the first: agent, resource, mode, since when, and whether it holds or waits.
CREATE FUNCTION link(who text, claims text[], theirs text[], since bigint, state text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  claim text := coalesce(first_meeting(claims, theirs), claims[1]);
BEGIN
  RETURN '[' || (who::json -> 0) || ',' || to_json(claim) || ',' || since || ',"' || state || '"]';
END $$;

CREATE FUNCTION suspect_of(t turn, r requests, most integer) RETURNS suspect LANGUAGE plpgsql AS $$
DECLARE
  s suspect;
BEGIN
  s.id := r.id;
  s.claims := r.claims;
  s.chain := r.chain;
  s.who := r.who;
  s.queued_at := r.queued_at;
  s.edges := holders_against(t, r.claims, most, false);
  s.at := 0;
  s.asks_waiters := false;
  RETURN s;
END $$;

-- The stack is an array, because a long row of waiters would be too deep for functions that call themselves.
CREATE FUNCTION search_cycle(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  stack suspect[] := ARRAY[suspect_of(t, r, 1001)];
  depth integer := 1;
  s suspect;
  other requests;
  next_id bigint;
  edges integer := 0;
  visited bigint[] := '{}';
  links text[] := '{}';
BEGIN
  WHILE depth > 0 LOOP
    s := stack[depth];
    IF s.at = cardinality(s.edges) THEN
      IF s.asks_waiters THEN
        depth := depth - 1;
      ELSE
        s.edges := waiters_against(t, s.claims, s.id, 1001 - edges, false);
        s.at := 0;
        s.asks_waiters := true;
        stack[depth] := s;
      END IF;
      CONTINUE;
    END IF;
    s.at := s.at + 1;
    edges := edges + 1;
    IF edges > 1000 THEN
      t.unchecked := t.unchecked + 1;
      RETURN t;
    END IF;
    other := request(t, s.edges[s.at]);
    s.links := link(s.who, s.claims, other.claims, s.queued_at, 'waits');
    next_id := NULL;
    IF s.asks_waiters THEN
      -- The grant rule lets a request pass a waiter that waits for its own chain: that is no edge.
      IF lease_awaited_by(t, other, s.chain) IS NULL THEN
        IF other.id = r.id THEN
          RETURN with_cycle(t, stack[:depth - 1], s.links);
        END IF;
        IF NOT other.id = ANY (visited) THEN
          visited := visited || other.id;
          IF other.chain IS NULL OR cardinality(open_requests_of(t, other.chain)) < 2 THEN
            next_id := other.id;
          END IF;
        END IF;
      END IF;
    ELSIF other.chain IS NOT NULL AND NOT other.id = ANY (visited) THEN
      s.links := s.links || ',' || link(other.who, other.claims, s.claims, other.granted_at, 'holds');
      IF other.chain = r.chain THEN
        RETURN with_cycle(t, stack[:depth - 1], s.links);
      END IF;
      visited := visited || other.id;
      next_id := only_open_request(t, other.chain);
      IF next_id = ANY (visited) THEN
        next_id := NULL;
      ELSIF next_id IS NOT NULL THEN
        visited := visited || next_id;
      END IF;
    END IF;
    stack[depth] := s;
    IF next_id IS NOT NULL THEN
      depth := depth + 1;
      stack[depth] := suspect_of(t, request(t, next_id), 1001 - edges);
    END IF;
  END LOOP;
  RETURN t;
END $$;

CREATE FUNCTION only_open_request(t turn, chain text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  open bigint[] := open_requests_of(t, chain);
BEGIN
  RETURN CASE cardinality(open) WHEN 1 THEN open[1] END;
END $$;

CREATE FUNCTION with_cycle(t turn, path suspect[], last text) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  s suspect;
BEGIN
  t.reply := '';
  FOREACH s IN ARRAY path LOOP
    t.reply := t.reply || s.links || ',';
  END LOOP;
  t.reply := '[' || t.reply || last || ']';
  RETURN t;
END $$;

-- Checks the chains that have fallen back to one open request: until now none of their edges counted.
CREATE FUNCTION check_narrowed_chains(t turn) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  chain text;
  open bigint;
  cycle text;
BEGIN
  WHILE cardinality(t.narrowed) > 0 LOOP
    chain := t.narrowed[1];
    t.narrowed := t.narrowed[2:];
    open := only_open_request(t, chain);
    CONTINUE WHEN open IS NULL;
    t := find_cycle(t, request(t, open));
    IF t.reply IS NOT NULL THEN
      cycle := t.reply;
      t := end_deadlocked(t, request(t, open), cycle);
    END IF;
  END LOOP;
  RETURN t;
END $$;

-- Who is in the way, who waits.

-- How many waiting claims before `before` (null: all) conflict with one of these, counted up to `most`. An exact
-- length of a longer line than 1 000 helps nobody.
CREATE FUNCTION count_waiters(t turn, claims text[], before bigint, most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
  found integer := 0;
BEGIN
  IF t.waiting = 0 THEN
    RETURN 0;
  END IF;
  FOREACH claim IN ARRAY claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      EXIT WHEN found >= most;
      found := found + count_waiting_at(t, place, left(claim, 1) = 's', coalesce(before, 9223372036854775807), most - found);
    END LOOP;
  END LOOP;
  RETURN found;
END $$;

-- The live leases that conflict with any of these claims, place by place, up to `most`; each as often as it is met
-- unless `once`.
CREATE FUNCTION holders_against(t turn, claims text[], most integer, once boolean) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
  met bigint[];
  id bigint;
  found bigint[] := '{}';
BEGIN
  FOREACH claim IN ARRAY claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      met := live_held_at(t, place, left(claim, 1) = 's', most + cardinality(found));
      FOREACH id IN ARRAY met LOOP
        IF NOT once OR id <> ALL (found) THEN
          found := found || id;
        END IF;
        IF cardinality(found) >= most THEN
          RETURN found;
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
  RETURN found;
END $$;

-- The live leases at a place that conflict with a claim of this mode, up to `most`. Under an id no more than 1 000
-- are looked at. (With `+ 0` the planner does not take the index of what is due for this.)
CREATE FUNCTION live_held_at(t turn, place text, asks_shared boolean, most integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  page integer := CASE left(place, 1) WHEN 'u' THEN 1000 ELSE 64 END;
  ids bigint[];
  met bigint;
  after bigint := 0;
  found bigint[] := '{}';
BEGIN
  LOOP
    ids := held_at(t, place, asks_shared, after, page);
    FOREACH met IN ARRAY ids LOOP
      IF EXISTS (SELECT FROM requests q WHERE q.ns = t.ns AND q.id = met AND q.due_at + 0 > t.now) THEN
        found := found || met;
        IF cardinality(found) >= most THEN
          RETURN found;
        END IF;
      END IF;
      after := met;
    END LOOP;
    IF cardinality(ids) < page OR left(place, 1) = 'u' THEN
      RETURN found;
    END IF;
  END LOOP;
END $$;

-- The live waiting requests before `before` (null: all) that conflict with any of these claims, likewise.
CREATE FUNCTION waiters_against(t turn, claims text[], before bigint, most integer, once boolean)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
  ids bigint[];
  id bigint;
  after bigint;
  found bigint[] := '{}';
BEGIN
  FOREACH claim IN ARRAY claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      after := 0;
      LOOP
        ids := waiting_at(t, place, left(claim, 1) = 's', after, coalesce(before, 9223372036854775807), 64);
        FOREACH id IN ARRAY ids LOOP
          after := id;
          CONTINUE WHEN once AND id = ANY (found) OR NOT is_live(t, request(t, id));
          found := found || id;
          IF cardinality(found) >= most THEN
            RETURN found;
          END IF;
        END LOOP;
        EXIT WHEN cardinality(ids) < 64;
      END LOOP;
    END LOOP;
  END LOOP;
  RETURN found;
END $$;

-- Whether anybody waits for one of these claims.
CREATE FUNCTION is_awaited(t turn, claims text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
BEGIN
  IF t.waiting = 0 THEN
    RETURN false;
  END IF;
  FOREACH claim IN ARRAY claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      IF last_waiting(t, place, left(claim, 1) = 's', 9223372036854775807) IS NOT NULL THEN
        RETURN true;
      END IF;
    END LOOP;
  END LOOP;
  RETURN false;
END $$;

-- The live leases of a chain among the first so many, and its live waiting requests.
CREATE FUNCTION leases_of_chain(t turn, chain text, page integer) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  found bigint[] := '{}';
BEGIN
  FOREACH id IN ARRAY of_chain(t, chain, true, page) LOOP
    IF is_live(t, request(t, id)) THEN
      found := found || id;
    END IF;
  END LOOP;
  RETURN found;
END $$;

CREATE FUNCTION open_requests_of(t turn, chain text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  found bigint[] := '{}';
BEGIN
  IF t.waiting = 0 THEN
    RETURN found;
  END IF;
  FOREACH id IN ARRAY of_chain(t, chain, false, 64) LOOP
    IF is_live(t, request(t, id)) THEN
      found := found || id;
    END IF;
  END LOOP;
  RETURN found;
END $$;

-- The lease of this chain that a waiter waits for. Such a waiter does not hold the chain's next request back, because
-- it cannot go on before the chain does.
CREATE FUNCTION lease_awaited_by(t turn, waiter requests, chain text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  ids bigint[];
  id bigint;
  lease requests;
BEGIN
  IF chain IS NULL THEN
    RETURN NULL;
  END IF;
  ids := of_chain(t, chain, true, 64);
  IF cardinality(ids) = 64 THEN
    ids := holders_against(t, waiter.claims, 1000000000, true);
  END IF;
  FOREACH id IN ARRAY ids LOOP
    lease := request(t, id);
    IF lease.chain = lease_awaited_by.chain AND is_live(t, lease) AND first_meeting(lease.claims, waiter.claims) IS NOT NULL THEN
      RETURN id;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Finds somebody who holds a request back, or nobody: in `t.blocker`. Waiting requests from `before` on are behind it.
-- An earlier waiter is preferred to a lease: then the waiters of one line remember one another in a row, and whoever
-- ends wakes just the next. `t.passes` is set if a waiter was met that waits for the request's own chain.
--
-- What is met on the way and no longer counts is ended, as far as the allowance goes; beyond it a dead entry still
-- holds back, which keeps the order and costs a later step.
CREATE FUNCTION blocker_of(t turn, claims text[], chain text, before bigint, in_passing boolean) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  claim text;
  place text;
  holder bigint;
BEGIN
  t.passes := false;
  FOREACH claim IN ARRAY claims LOOP
    FOREACH place IN ARRAY places_of(t, claim) LOOP
      t := blocker_at(t, place, claim, chain, before, in_passing);
      IF t.blocker < 0 THEN
        t.blocker := -t.blocker;
        RETURN t;
      END IF;
      holder := coalesce(holder, t.blocker);
    END LOOP;
  END LOOP;
  t.blocker := holder;
  RETURN t;
END $$;

-- The blocker at one place: the id of a lease, or of a waiter with its sign changed.
CREATE FUNCTION blocker_at(t turn, place text, claim text, chain text, before bigint, in_passing boolean)
RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  r requests;
  own bigint;
BEGIN
  LOOP
    id := last_waiting(t, place, left(claim, 1) = 's', before);
    IF id IS NOT NULL THEN
      r := request(t, id);
      IF is_live(t, r) THEN
        own := lease_awaited_by(t, r, chain);
        IF own IS NULL THEN
          t.blocker := -id;
          RETURN t;
        END IF;
        t.passes := true;
        -- Where the lease covers the claim, every waiter at this place waits for the lease too, and none of them counts.
        before := CASE WHEN covers_all((request(t, own)).claims, ARRAY[claim]) THEN 0 ELSE id END;
      ELSE
        t := bury(t, r, in_passing);
        IF NOT t.buried THEN
          t.blocker := -id;
          RETURN t;
        END IF;
      END IF;
    ELSE
      t.blocker := first_held(t, place, left(claim, 1) = 's');
      IF t.blocker IS NULL OR EXISTS (
        SELECT FROM requests q WHERE q.ns = t.ns AND q.id = t.blocker AND q.due_at + 0 > t.now
      ) THEN
        RETURN t;
      END IF;
      t := bury(t, request(t, t.blocker), in_passing);
      IF NOT t.buried THEN
        RETURN t;
      END IF;
    END IF;
  END LOOP;
END $$;

-- What stands at a place. A place is where a conflict with a claim can stand: `a` and an id for every claim on
-- exactly this id, `t` for the tree claims among them, `u` for the claims strictly under it.

-- Whether any tree claim stands in the type of this resource, so that its ancestors must be looked at.
CREATE FUNCTION has_trees_around(t turn, id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN t.trees > 0 AND EXISTS (
    SELECT FROM claims c
    WHERE c.ns = t.ns AND c.tree AND c.resource_id >= type_of(id) || ':' AND c.resource_id < type_of(id) || ';'
  );
END $$;

CREATE FUNCTION places_of(t turn, claim text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(claim, 3);
  above text;
  places text[] := ARRAY['a' || id];
BEGIN
  IF has_trees_around(t, id) THEN
    FOREACH above IN ARRAY ancestors_of(id) LOOP
      places := places || ('t' || above);
    END LOOP;
  END IF;
  IF substr(claim, 2, 1) = 't' THEN
    places := places || ('u' || id);
  END IF;
  RETURN places;
END $$;

-- Held requests that conflict at a place, in order of id (under an id: in order of resource, from the start), after
-- `after`. A shared claim asks for exclusive ones only, and pays nothing for the shared ones.
CREATE FUNCTION held_at(t turn, place text, asks_shared boolean, after bigint, page integer)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(place, 2);
  found bigint[];
  more bigint[];
BEGIN
  CASE left(place, 1)
    WHEN 'a' THEN
      found := ARRAY(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.held AND NOT c.shared AND c.resource_id = id AND c.request_id > after
          ORDER BY c.request_id LIMIT page)
        UNION
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.held AND c.shared AND c.resource_id = id AND c.request_id > after
          ORDER BY c.request_id LIMIT page)
        ORDER BY request_id LIMIT page
      );
    WHEN 't' THEN
      found := ARRAY(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.tree AND c.resource_id = id AND c.held AND NOT c.shared AND c.request_id > after
          ORDER BY c.request_id LIMIT page)
        UNION
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.tree AND c.resource_id = id AND c.held AND c.shared
            AND c.request_id > after
          ORDER BY c.request_id LIMIT page)
        ORDER BY request_id LIMIT page
      );
    ELSE
      found := ARRAY(
        SELECT c.request_id FROM claims c
        WHERE c.ns = t.ns AND c.held AND NOT c.shared AND c.resource_id >= first_under(id) AND c.resource_id < end_under(id)
        ORDER BY c.resource_id, c.request_id LIMIT page
      );
      IF NOT asks_shared AND cardinality(found) < page THEN
        more := ARRAY(
          SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.held AND c.shared AND c.resource_id >= first_under(id) AND c.resource_id < end_under(id)
          ORDER BY c.resource_id, c.request_id LIMIT page - cardinality(found)
        );
        found := found || more;
      END IF;
  END CASE;
  RETURN found;
END $$;

-- Some held request that conflicts at a place, an exclusive one if there is one.
CREATE FUNCTION first_held(t turn, place text, asks_shared boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(place, 2);
BEGIN
  CASE left(place, 1)
    WHEN 'a' THEN
      RETURN coalesce(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.held AND NOT c.shared AND c.resource_id = id ORDER BY c.request_id LIMIT 1),
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.held AND c.shared AND c.resource_id = id
          ORDER BY c.request_id LIMIT 1));
    WHEN 't' THEN
      RETURN coalesce(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.tree AND c.resource_id = id AND c.held AND NOT c.shared
          ORDER BY c.request_id LIMIT 1),
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.tree AND c.resource_id = id AND c.held AND c.shared
          ORDER BY c.request_id LIMIT 1));
    ELSE
      RETURN (held_at(t, place, asks_shared, 0, 1))[1];
  END CASE;
END $$;

-- The latest waiting request before `before` that conflicts at a place.
CREATE FUNCTION last_waiting(t turn, place text, asks_shared boolean, before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(place, 2);
BEGIN
  IF t.waiting = 0 THEN
    RETURN NULL;
  END IF;
  CASE left(place, 1)
    WHEN 'a' THEN
      RETURN greatest(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND NOT c.held AND NOT c.shared AND c.resource_id = id AND c.request_id < before
          ORDER BY c.request_id DESC LIMIT 1),
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND NOT c.held AND c.shared AND c.resource_id = id
            AND c.request_id < before
          ORDER BY c.request_id DESC LIMIT 1));
    WHEN 't' THEN
      RETURN greatest(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND NOT c.shared AND c.request_id < before
          ORDER BY c.request_id DESC LIMIT 1),
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND c.shared
            AND c.request_id < before
          ORDER BY c.request_id DESC LIMIT 1));
    ELSE
      RETURN greatest(
        (SELECT w.request_id FROM waiting_under w
          WHERE w.ns = t.ns AND NOT w.shared AND w.ancestor_id = id AND w.request_id < before
          ORDER BY w.request_id DESC LIMIT 1),
        (SELECT w.request_id FROM waiting_under w
          WHERE NOT asks_shared AND w.ns = t.ns AND w.shared AND w.ancestor_id = id AND w.request_id < before
          ORDER BY w.request_id DESC LIMIT 1));
  END CASE;
END $$;

-- Waiting requests that conflict at a place, after `after` and before `before`, in order of id.
CREATE FUNCTION waiting_at(t turn, place text, asks_shared boolean, after bigint, before bigint, page integer)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(place, 2);
  found bigint[];
BEGIN
  IF t.waiting = 0 THEN
    RETURN '{}';
  END IF;
  CASE left(place, 1)
    WHEN 'a' THEN
      found := ARRAY(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND NOT c.held AND NOT c.shared AND c.resource_id = id
            AND c.request_id > after AND c.request_id < before
          ORDER BY c.request_id LIMIT page)
        UNION
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND NOT c.held AND c.shared AND c.resource_id = id
            AND c.request_id > after AND c.request_id < before
          ORDER BY c.request_id LIMIT page)
        ORDER BY request_id LIMIT page
      );
    WHEN 't' THEN
      found := ARRAY(
        (SELECT c.request_id FROM claims c
          WHERE c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND NOT c.shared
            AND c.request_id > after AND c.request_id < before
          ORDER BY c.request_id LIMIT page)
        UNION
        (SELECT c.request_id FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND c.shared
            AND c.request_id > after AND c.request_id < before
          ORDER BY c.request_id LIMIT page)
        ORDER BY request_id LIMIT page
      );
    ELSE
      found := ARRAY(
        (SELECT DISTINCT w.request_id FROM waiting_under w
          WHERE w.ns = t.ns AND NOT w.shared AND w.ancestor_id = id AND w.request_id > after AND w.request_id < before
          ORDER BY w.request_id LIMIT page)
        UNION
        (SELECT DISTINCT w.request_id FROM waiting_under w
          WHERE NOT asks_shared AND w.ns = t.ns AND w.shared AND w.ancestor_id = id
            AND w.request_id > after AND w.request_id < before
          ORDER BY w.request_id LIMIT page)
        ORDER BY request_id LIMIT page
      );
  END CASE;
  RETURN found;
END $$;

-- How many waiting claims before `before` conflict at a place, counted up to `most`.
CREATE FUNCTION count_waiting_at(t turn, place text, asks_shared boolean, before bigint, most integer)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  id text := substr(place, 2);
BEGIN
  CASE left(place, 1)
    WHEN 'a' THEN
      RETURN least(most,
        (SELECT count(*) FROM (SELECT FROM claims c
          WHERE c.ns = t.ns AND NOT c.held AND NOT c.shared AND c.resource_id = id AND c.request_id < before
          LIMIT most) f)
        + (SELECT count(*) FROM (SELECT FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND NOT c.held AND c.shared AND c.resource_id = id
            AND c.request_id < before
          LIMIT most) f));
    WHEN 't' THEN
      RETURN least(most,
        (SELECT count(*) FROM (SELECT FROM claims c
          WHERE c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND NOT c.shared AND c.request_id < before
          LIMIT most) f)
        + (SELECT count(*) FROM (SELECT FROM claims c
          WHERE NOT asks_shared AND c.ns = t.ns AND c.tree AND c.resource_id = id AND NOT c.held AND c.shared
            AND c.request_id < before
          LIMIT most) f));
    ELSE
      RETURN least(most,
        (SELECT count(*) FROM (SELECT FROM waiting_under w
          WHERE w.ns = t.ns AND NOT w.shared AND w.ancestor_id = id AND w.request_id < before LIMIT most) f)
        + (SELECT count(*) FROM (SELECT FROM waiting_under w
          WHERE NOT asks_shared AND w.ns = t.ns AND w.shared AND w.ancestor_id = id AND w.request_id < before
          LIMIT most) f));
  END CASE;
END $$;

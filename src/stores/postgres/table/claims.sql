-- Claims as texts, and how they conflict: `core/resource.ts`.

CREATE FUNCTION type_of(id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT left(id, strpos(id, ':') - 1) $$;

-- What every id strictly under this one starts with.
CREATE FUNCTION prefix_under(id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN strpos(id, ':') = length(id) THEN id ELSE id || '/' END
$$;

-- The range of the ids strictly under one: from here (the root of a type does not lie under itself, and no id has a
-- control character) …
CREATE FUNCTION first_under(id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN strpos(id, ':') = length(id) THEN id || chr(1) ELSE id || '/' END
$$;

-- … to before here: the prefix with its last character, a slash or a colon, raised by one.
CREATE FUNCTION end_under(id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN strpos(id, ':') = length(id) THEN left(id, -1) || ';' ELSE id || '0' END
$$;

-- The ids above this one, nearest first; the last is the root of the type. A root has none.
CREATE FUNCTION ancestors_of(id text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  root integer := strpos(id, ':');
  segments text[];
  above text[] := '{}';
BEGIN
  IF length(id) = root THEN
    RETURN above;
  END IF;
  segments := string_to_array(substr(id, root + 1), '/');
  FOR depth IN REVERSE cardinality(segments) - 1 .. 1 LOOP
    -- A path that starts with a slash has an empty first segment, which names nothing but the root.
    IF depth > 1 OR segments[1] <> '' THEN
      above := above || (left(id, root) || array_to_string(segments[:depth], '/'));
    END IF;
  END LOOP;
  RETURN above || left(id, root);
END $$;

-- Whether everything that `inner` touches, `outer` touches too, modes aside.
CREATE FUNCTION reaches_over(outer_claim text, inner_claim text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  above text := substr(outer_claim, 3);
  below text := substr(inner_claim, 3);
  is_tree boolean := substr(outer_claim, 2, 1) = 't';
BEGIN
  IF above = below THEN
    RETURN is_tree OR substr(inner_claim, 2, 1) = 'n';
  END IF;
  RETURN is_tree AND length(below) > length(above) AND starts_with(below, prefix_under(above));
END $$;

-- Whether holding `outer` gives everything that holding `inner` would give.
CREATE FUNCTION covers(outer_claim text, inner_claim text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN (left(outer_claim, 1) = 'e' OR left(inner_claim, 1) = 's') AND reaches_over(outer_claim, inner_claim);
END $$;

-- Whether two claims overlap and at least one of them is exclusive.
CREATE FUNCTION conflicts(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF left(a, 1) = 's' AND left(b, 1) = 's' THEN
    RETURN false;
  END IF;
  RETURN substr(a, 3) = substr(b, 3) OR reaches_over(a, b) OR reaches_over(b, a);
END $$;

-- How many pairs of these claims and those conflict.
CREATE FUNCTION pairs_between(ours text[], theirs text[]) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  mine text;
  their text;
  pairs integer := 0;
BEGIN
  FOREACH mine IN ARRAY ours LOOP
    FOREACH their IN ARRAY theirs LOOP
      IF conflicts(mine, their) THEN
        pairs := pairs + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN pairs;
END $$;

-- The first of our claims that conflicts with any of theirs.
CREATE FUNCTION first_meeting(ours text[], theirs text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  mine text;
  their text;
BEGIN
  FOREACH mine IN ARRAY ours LOOP
    FOREACH their IN ARRAY theirs LOOP
      IF conflicts(mine, their) THEN
        RETURN mine;
      END IF;
    END LOOP;
  END LOOP;
  RETURN NULL;
END $$;

-- Whether each of these claims is covered by one of ours.
CREATE FUNCTION covers_all(ours text[], theirs text[]) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  mine text;
  their text;
  is_covered boolean;
BEGIN
  FOREACH their IN ARRAY theirs LOOP
    is_covered := false;
    FOREACH mine IN ARRAY ours LOOP
      is_covered := is_covered OR covers(mine, their);
    END LOOP;
    IF NOT is_covered THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

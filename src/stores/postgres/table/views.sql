-- What anybody may know, as JSON.

-- One claim of a lease: the claim, who, what, since when, until when, fencing token, how many wait for it.
CREATE FUNCTION view_of(t turn, r requests, claim text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN '[' || to_json(claim) || ',' || r.who || ',' || r.what || ',' || r.wall_locked_at || ',' || r.due_at || ','
    || r.fence || ',' || count_waiters(t, ARRAY[claim], NULL, 1000) || ']';
END $$;

-- Why these claims are not to be had now: who holds what they need (no more than 16), and how many wait in front. The
-- lease with the given fencing token is left out.
CREATE FUNCTION busy_view(t turn, claims text[], before bigint, left_out bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  claim text;
  holder requests;
  views text[] := '{}';
  ahead integer := 0;
BEGIN
  FOREACH id IN ARRAY holders_against(t, claims, 16, true) LOOP
    holder := request(t, id);
    IF holder.fence IS DISTINCT FROM left_out THEN
      views := views || view_of(t, holder, first_meeting(holder.claims, claims));
    END IF;
  END LOOP;
  FOREACH claim IN ARRAY claims LOOP
    ahead := greatest(ahead, count_waiters(t, ARRAY[claim], before, 1000));
  END LOOP;
  RETURN '[' || array_to_string(views, ',') || '],' || ahead;
END $$;

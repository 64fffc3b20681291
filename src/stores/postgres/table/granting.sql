-- How leases begin.

-- Who held the resources of these claims last, as far as that is still known: a JSON list.
CREATE FUNCTION previous_of(t turn, claims text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  oldest bigint := t.wall - t.keep_previous_ms;
  claim text;
  p previous;
  seen text[] := '{}';
  views text := '';
BEGIN
  IF t.keep_previous = 0 THEN
    RETURN '[]';
  END IF;
  FOREACH claim IN ARRAY claims LOOP
    SELECT * INTO p FROM previous v WHERE v.ns = t.ns AND v.resource_id = substr(claim, 3) AND v.wall_until > oldest;
    IF FOUND AND p.resource_id <> ALL (seen) THEN
      seen := seen || p.resource_id;
      views := views || CASE views WHEN '' THEN '' ELSE ',' END
        || '[' || to_json(p.resource_id) || ',' || p.who || ',' || p.wall_until || ',' || p.fence || ']';
    END IF;
  END LOOP;
  RETURN '[' || views || ']';
END $$;

-- A grant as its holder is told: a JSON list without its brackets. Sharing a lease is no event, and nobody waited.
CREATE FUNCTION grant_view(t turn, r requests, waiters integer, waited_ms bigint, logged bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN r.id || ',' || r.fence || ',' || r.wall_locked_at || ',' || r.due_at || ',' || previous_of(t, r.claims) || ','
    || waiters || ',' || waited_ms || ',' || num(logged);
END $$;

-- Remembers the session for at least as long as the lease can last.
CREATE FUNCTION keep(t turn, session text, until bigint) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  IF session = t.me THEN
    t.me_keep := greatest(t.me_keep, until);
  ELSE
    UPDATE sessions s SET keep_until = until WHERE s.ns = t.ns AND s.id = session AND s.keep_until < until;
  END IF;
  RETURN t;
END $$;

-- The next fencing token: greater than every earlier one, and about the wall clock in microseconds, so that it rises
-- even after a loss of data.
CREATE FUNCTION take_fence(t turn) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t.last_fence := greatest(t.last_fence + 1, t.wall * 1000);
  RETURN t;
END $$;

-- Gives a new request its lease at once. Its client knows when it asked, so the lease is full from the start.
CREATE FUNCTION grant_new(t turn, r requests, is_wanted boolean) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t := take_fence(t);
  r.held := true;
  r.due_at := t.now + r.ttl_ms;
  r.fence := t.last_fence;
  r.granted_at := t.now;
  r.wall_locked_at := t.wall;
  r.confirmed := true;
  r.wanted := is_wanted;
  t := insert_request(t, r);
  t := keep(t, r.session, r.due_at);
  t := log_event(t, 'locked', r.who, r.what, r.fence, NULL, 0, NULL);
  t.reply := '["granted",' || grant_view(t, r, CASE WHEN is_wanted THEN count_waiters(t, r.claims, NULL, 1000) ELSE 0 END, 0, t.logged) || ']';
  RETURN t;
END $$;

-- Gives a waiting request its lease and tells its session. Until the session confirms, the lease also ends when the
-- session would be dead: so a grant to a process that has just died costs the dead time once, never a whole lease.
CREATE FUNCTION grant_waiting(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  dead_at bigint;
  waiters integer;
BEGIN
  IF r.session = t.me THEN
    dead_at := t.me_seen + t.me_dead_ms;
  ELSE
    SELECT s.seen_at + s.dead_ms INTO dead_at FROM sessions s WHERE s.ns = t.ns AND s.id = r.session;
  END IF;
  waiters := count_waiters(t, r.claims, NULL, 1000) - pairs_between(r.claims, r.claims);
  t := take_fence(t);
  r.held := true;
  r.due_at := least(t.now + r.ttl_ms, coalesce(dead_at, t.now));
  r.blocker := NULL;
  r.fence := t.last_fence;
  r.granted_at := t.now;
  r.wall_locked_at := t.wall;
  r.confirmed := false;
  r.wanted := waiters > 0;
  t := hold_request(t, r);
  t := stop_waiting(t, r);
  t := keep(t, r.session, r.due_at);
  t := look_again_at_chain(t, r);
  t := log_event(t, 'locked', r.who, r.what, r.fence, NULL, t.now - r.queued_at, NULL);
  RETURN post(t, r.session, 'granted', grant_view(t, r, waiters, t.now - r.queued_at, t.logged));
END $$;

-- Whoever is in line for this lease no longer holds back the later requests of the lease's chain, and they remember
-- none but him: they are looked at again, each under a number of its own that nobody else waits behind.
CREATE FUNCTION look_again_at_chain(t turn, lease requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  r requests;
  front requests;
BEGIN
  IF lease.chain IS NULL OR t.waiting = 0 THEN
    RETURN t;
  END IF;
  FOREACH id IN ARRAY of_chain(t, lease.chain, false, 1000) LOOP
    r := request(t, id);
    CONTINUE WHEN id < lease.id OR r.blocker IS NULL;
    front := request(t, r.blocker);
    CONTINUE WHEN front.id IS NULL OR front.held OR first_meeting(front.claims, lease.claims) IS NULL;
    UPDATE requests q SET blocker = -r.id WHERE q.ns = t.ns AND q.id = r.id;
    t.ended := t.ended || -id;
  END LOOP;
  RETURN t;
END $$;

-- Where an extension moves the expiry: never earlier than it stands, never beyond the longest hold.
CREATE FUNCTION later_expiry(t turn, r requests, ttl_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN greatest(r.due_at, least(t.now + ttl_ms, r.granted_at + r.max_hold_ms));
END $$;

-- The session knows of its lease: from now on it lasts as long as was asked for, also where somebody who shares it has
-- extended it before.
CREATE FUNCTION confirm(t turn, id bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests := request(t, id);
BEGIN
  IF r.held AND r.due_at > t.now THEN
    t := prolong(t, r, later_expiry(t, r, r.ttl_ms));
    t := keep(t, r.session, later_expiry(t, r, r.ttl_ms));
  END IF;
  RETURN t;
END $$;

CREATE FUNCTION prolong(t turn, r requests, due bigint) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  UPDATE requests q SET due_at = due, confirmed = true WHERE q.ns = t.ns AND q.id = r.id;
  RETURN t;
END $$;

-- Tells those who hold what a new waiter asks for that somebody starts to wait: each whenever nobody did before, and
-- no more than 64 of them.
CREATE FUNCTION tell_holders(t turn, waiter requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  holder requests;
  own integer;
BEGIN
  FOREACH id IN ARRAY holders_against(t, waiter.claims, 64, true) LOOP
    holder := request(t, id);
    own := pairs_between(waiter.claims, holder.claims);
    IF NOT holder.wanted OR count_waiters(t, holder.claims, NULL, own + 1) = own THEN
      t := tell_wanted(t, holder);
    END IF;
  END LOOP;
  RETURN t;
END $$;

CREATE FUNCTION tell_wanted(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  receiver text;
  waiters integer := count_waiters(t, r.claims, NULL, 1000);
BEGIN
  IF NOT r.wanted THEN
    UPDATE requests q SET wanted = true WHERE q.ns = t.ns AND q.id = r.id;
  END IF;
  FOREACH receiver IN ARRAY owning_sessions(r) LOOP
    t := post(t, receiver, 'wanted', r.id || ',' || waiters);
  END LOOP;
  RETURN t;
END $$;

-- Looks at those who waited for what has ended, in the order in which it ended, and grants what has become grantable.
-- What goes beyond the batch's allowance is noted down for the next batch.
CREATE FUNCTION settle(t turn) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  WHILE cardinality(t.ended) > 0 AND t.passing > 0 LOOP
    IF t.waiting = 0 THEN
      t.ended := '{}';
      RETURN t;
    END IF;
    t := settle_one(t, t.ended[1]);
    EXIT WHEN NOT t.buried;
    t.ended := t.ended[2:];
  END LOOP;
  RETURN t;
END $$;

-- Looks at those who waited for one that has ended; says in `t.buried` whether the allowance was enough for all.
CREATE FUNCTION settle_one(t turn, ended bigint) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  page integer := t.passing;
  ids bigint[];
  id bigint;
BEGIN
  t.buried := page > 0;
  IF page <= 0 OR t.waiting = 0 THEN
    RETURN t;
  END IF;
  ids := ARRAY(SELECT q.id FROM requests q WHERE q.ns = t.ns AND q.blocker = settle_one.ended ORDER BY q.id LIMIT page);
  FOREACH id IN ARRAY ids LOOP
    IF t.passing <= 0 THEN
      t.buried := false;
      RETURN t;
    END IF;
    t := look(t, request(t, id));
  END LOOP;
  t.buried := cardinality(ids) < page;
  RETURN t;
END $$;

CREATE FUNCTION look(t turn, waiter requests) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  front requests;
BEGIN
  IF NOT is_live(t, waiter) THEN
    RETURN bury(t, waiter, true);
  END IF;
  t.passing := t.passing - 1;
  t := blocker_of(t, waiter.claims, waiter.chain, waiter.id, true);
  IF t.blocker IS NULL THEN
    RETURN grant_waiting(t, waiter);
  END IF;
  UPDATE requests q SET blocker = t.blocker WHERE q.ns = t.ns AND q.id = waiter.id;
  front := request(t, t.blocker);
  IF front.held AND NOT front.wanted THEN
    t := tell_wanted(t, front);
  END IF;
  RETURN t;
END $$;

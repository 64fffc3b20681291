-- Grants a request, puts it in line, or says why neither.
CREATE FUNCTION acquire(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests;
  cycle text;
BEGIN
  IF s.reentrant OR s.holding_id IS NOT NULL THEN
    t := enter(t, s);
    IF t.reply IS NOT NULL THEN
      RETURN t;
    END IF;
  END IF;
  t := blocker_of(t, s.claims, s.chain, t.last_id + 1, false);
  IF t.blocker IS NULL THEN
    t.last_id := t.last_id + 1;
    RETURN grant_new(t, new_request(t, s), t.passes);
  END IF;
  IF s.wait = 0 THEN
    t.reply := CASE WHEN is_live(t, request(t, t.blocker))
      THEN '["busy",' || busy_view(t, s.claims, t.last_id + 1, NULL) || ']' ELSE '["again"]' END;
    RETURN t;
  END IF;
  r := new_request(t, s);
  r.id := t.last_id + 1;
  r.due_at := t.now + s.wait;
  r.blocker := t.blocker;
  IF r.chain IS NOT NULL THEN
    t := find_cycle(t, r);
    IF t.reply IS NOT NULL THEN
      cycle := t.reply;
      t := log_event(t, 'deadlock', r.who, r.what, NULL, NULL, NULL, NULL);
      t.reply := '["deadlock",' || cycle || ',' || num(t.logged) || ']';
      RETURN t;
    END IF;
  END IF;
  t.last_id := r.id;
  RETURN join_line(t, r);
END $$;

CREATE FUNCTION join_line(t turn, r requests) RETURNS turn LANGUAGE plpgsql AS $$
BEGIN
  t := insert_request(t, r);
  t.me_waiting := t.me_waiting + 1;
  t := tell_holders(t, r);
  t := log_event(t, 'waiting', r.who, r.what, NULL, NULL, NULL, NULL);
  t.reply := '["waiting",' || r.id || ',' || num(t.logged) || ']';
  RETURN t;
END $$;

CREATE FUNCTION new_request(t turn, s step) RETURNS requests LANGUAGE plpgsql AS $$
DECLARE
  r requests;
BEGIN
  r.ns := t.ns;
  r.id := t.last_id;
  r.held := false;
  r.session := t.me;
  r.birth := t.me_birth;
  r.chain := s.chain;
  r.claims := s.claims;
  r.who := s.who;
  r.what := s.what;
  r.ttl_ms := least(s.ttl, s.max_hold);
  r.max_hold_ms := s.max_hold;
  r.token_hash := hash_of(s.token);
  r.queued_at := t.now;
  RETURN r;
END $$;

-- Re-entry: shares a live lease that covers every claim, of the same chain or one that the caller proves to hold. It
-- mints nothing; the lease ends when its last owner lets go of it. There is no reply if there is no such lease.
CREATE FUNCTION enter(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests;
BEGIN
  IF s.holding_id IS NOT NULL THEN
    t := own_lease(t, s.holding_id, hash_of(s.holding_token));
    IF t.reply IS NOT NULL THEN
      r := request(t, s.holding_id);
    END IF;
    t.reply := NULL;
  END IF;
  IF r.id IS NULL OR NOT covers_all(r.claims, s.claims) THEN
    r := lease_of_chain(t, s);
  END IF;
  IF r.id IS NULL THEN
    RETURN t;
  END IF;
  UPDATE requests q
  SET owner_hashes = hashes_of_owners(r) || hash_of(s.token), owner_sessions = sessions_of_owners(r) || t.me
  WHERE q.ns = t.ns AND q.id = r.id;
  t := keep(t, t.me, r.due_at);
  t.reply := '["entered",' || grant_view(t, r, 0, 0, NULL) || ']';
  RETURN t;
END $$;

CREATE FUNCTION lease_of_chain(t turn, s step) RETURNS requests LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  r requests;
BEGIN
  IF s.reentrant IS NOT TRUE OR s.chain IS NULL THEN
    RETURN NULL;
  END IF;
  FOREACH id IN ARRAY covering_leases(t, substr(s.claims[1], 3), substr(s.claims[1], 2, 1), 1000000000, NULL) LOOP
    r := request(t, id);
    IF r.chain = s.chain AND covers_all(r.claims, s.claims) THEN
      RETURN r;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

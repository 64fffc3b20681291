-- What can be done with a lease.

-- The live lease that the caller proves to own: there is a reply if there is one.
CREATE FUNCTION own_lease(t turn, id bigint, hash bytea) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests := request(t, id);
BEGIN
  t.reply := NULL;
  IF r.held AND hash = ANY (hashes_of_owners(r)) THEN
    IF r.due_at > t.now THEN
      t.reply := 'live';
    ELSE
      t := bury(t, r, false);
    END IF;
  END IF;
  RETURN t;
END $$;

-- Moves the expiry of one's own live lease.
CREATE FUNCTION extend(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests;
  due bigint;
BEGIN
  t := own_lease(t, s.id, hash_of(s.token));
  IF t.reply IS NULL THEN
    t.reply := '["gone"]';
    RETURN t;
  END IF;
  r := request(t, s.id);
  IF s.fence <> r.fence THEN
    t.reply := '["gone"]';
    RETURN t;
  END IF;
  IF s.ttl = 0 THEN
    t.reply := '["extended",' || r.due_at || ',null]';
    RETURN t;
  END IF;
  -- The first extension also confirms the lease, and confirming starts the full lease.
  due := later_expiry(t, r, CASE WHEN r.confirmed THEN s.ttl ELSE greatest(s.ttl, r.ttl_ms) END);
  t := prolong(t, r, due);
  t := keep(t, r.session, due);
  t.logged := NULL;
  IF NOT s.automatic THEN
    t := log_event(t, 'extended', r.who, r.what, r.fence, NULL, NULL, NULL);
  END IF;
  t.reply := '["extended",' || due || ',' || num(t.logged) || ']';
  RETURN t;
END $$;

-- Lets go of one's own lease; the lease itself ends with its last owner.
CREATE FUNCTION release(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests := request(t, s.id);
  hash bytea := hash_of(s.token);
BEGIN
  IF r.held AND hash = ANY (hashes_of_owners(r)) THEN
    IF r.due_at > t.now THEN
      RETURN let_go(t, r, hash, CASE WHEN s.expired THEN 'expired' ELSE 'released' END);
    END IF;
    t := bury(t, r, false);
  END IF;
  t.reply := '["released",false,false,0,null]';
  RETURN t;
END $$;

-- Takes whoever has this hash out of the owners; ends the lease if none is left.
CREATE FUNCTION let_go(t turn, r requests, hash bytea, how text) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  hashes bytea[] := '{}';
  sessions text[] := '{}';
  held_ms bigint := t.now - r.granted_at;
  is_shared boolean;
BEGIN
  t.logged := NULL;
  IF r.owner_hashes IS NOT NULL THEN
    FOR i IN 1 .. cardinality(r.owner_hashes) LOOP
      CONTINUE WHEN r.owner_hashes[i] = hash;
      hashes := hashes || r.owner_hashes[i];
      sessions := sessions || r.owner_sessions[i];
    END LOOP;
  END IF;
  is_shared := cardinality(hashes) > 0;
  IF NOT is_shared AND NOT is_pinned(t, r) THEN
    t := end_lease(t, r, how, NULL);
  ELSE
    UPDATE requests q
    SET owner_hashes = hashes, owner_sessions = sessions, due_at = CASE WHEN is_shared THEN q.due_at ELSE t.now + pin_ms() END
    WHERE q.ns = t.ns AND q.id = r.id;
    t.quiet_until := least(t.quiet_until, t.now + pin_ms());
  END IF;
  t.reply := '["released",true,' || bool(is_shared) || ',' || held_ms || ',' || num(t.logged) || ']';
  RETURN t;
END $$;

-- Leaves the line. A grant that crossed the step is ended with it.
CREATE FUNCTION cancel(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests := request(t, s.id);
  hash bytea := hash_of(s.token);
  view text := '[],0';
  waited_ms bigint := 0;
BEGIN
  t.logged := NULL;
  IF r.token_hash <> hash THEN
    r := NULL;
  END IF;
  IF s.explain IS NOT NULL THEN
    view := busy_view(t, s.explain, s.id, r.fence);
  END IF;
  IF r.held THEN
    IF r.due_at > t.now THEN
      t := let_go(t, r, hash, 'released');
    ELSE
      t := bury(t, r, false);
      t.logged := NULL;
    END IF;
  ELSIF r.id IS NOT NULL THEN
    waited_ms := t.now - r.queued_at;
    t := end_wait(t, r);
  END IF;
  t.reply := '["cancelled",' || view || ',' || waited_ms || ',' || num(t.logged) || ']';
  RETURN t;
END $$;

-- Lets go of a lease for which the client has no handle. Whoever has entered it since is not concerned.
CREATE FUNCTION hand_back(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  r requests := request(t, s.id);
BEGIN
  IF r.held AND r.session = t.me AND r.fence = s.fence THEN
    IF r.due_at > t.now THEN
      t := let_go(t, r, r.token_hash, 'released');
    ELSE
      t := bury(t, r, false);
    END IF;
  END IF;
  t.reply := '["done"]';
  RETURN t;
END $$;

-- Ends the live leases that cover a resource, as many as one step may.
CREATE FUNCTION force(t turn, s step) RETURNS turn LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  r requests;
  views text[] := '{}';
  is_unfinished boolean := false;
BEGIN
  FOREACH id IN ARRAY covering_leases(t, s.resource, s.scope, t.touched + 1, s.fence) LOOP
    r := request(t, id);
    IF t.touched <= 0 OR is_pinned(t, r) THEN
      is_unfinished := true;
      EXIT;
    END IF;
    t.touched := t.touched - 1;
    views := views || view_of(t, r, covering_claim(r, s.resource, s.scope));
    t := end_lease(t, r, 'forced', s.forced);
  END LOOP;
  t.reply := '["forced",[' || array_to_string(views, ',') || '],' || bool(is_unfinished) || ']';
  RETURN t;
END $$;

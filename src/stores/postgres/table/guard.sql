-- For the user's own transactions: raises (SQLSTATE HF010) unless the lease with this fencing token covers the resource
-- and is live now by the server's clock. If it does not raise, that lease does not end before the transaction does:
-- neither expiry nor release nor force ends it, and so nobody else is granted what conflicts with it. Whoever should
-- have ended it puts that off by a tenth of a second, again and again until the transaction is over; nobody waits for
-- it with a lock of the namespace in his hands.
--
-- It waits only for a step that is just about to end the very lease, and a step never waits for it: so it is part of
-- no deadlock. In a transaction that is REPEATABLE READ or SERIALIZABLE it must be the first statement: such a
-- transaction cannot see what became of a lease since it began, and fails instead.
CREATE FUNCTION assert_held(namespace text, resource text, fence bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  t turn;
  r requests;
BEGIN
  -- Those who end leases look for this one first: while nobody has it, they need not look at each lease.
  PERFORM pg_advisory_xact_lock_shared('requests'::regclass::oid::integer, lock_number(namespace));
  SELECT n.id, n.seen_at, 1 INTO t.ns, t.now, t.trees FROM namespaces n WHERE n.name = namespace;
  SELECT q.* INTO r FROM requests q
  WHERE q.ns = t.ns AND q.id = (covering_leases(t, assert_held.resource, 'n', 1, assert_held.fence))[1] FOR KEY SHARE;
  IF r.due_at > greatest(lease_clock(wall_clock()), t.now) THEN
    RETURN;
  END IF;
  RAISE EXCEPTION 'The lease with the fencing token % on % is no longer held: what this transaction was about to do must not be done.',
    assert_held.fence, assert_held.resource USING ERRCODE = 'HF010';
END $$;

-- The advisory locks that a transaction takes. None lives longer than it.

-- The second of the two numbers of an advisory lock; the first says what it is for, as the number of a table of this
-- schema: `namespaces` to step, `requests` to rely on a lease.
CREATE FUNCTION lock_number(namespace text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT hashtext(namespace)';

-- One step at a time in a namespace. Only what is read by a later statement is certain to be the latest: each has a
-- snapshot of its own, but only where transactions are READ COMMITTED. Where this one is not, it is false.
CREATE FUNCTION lock_namespace(namespace text) RETURNS boolean LANGUAGE sql AS $$
  SELECT current_setting('transaction_isolation') = 'read committed'
    AND pg_advisory_xact_lock('namespaces'::regclass::oid::integer, lock_number(namespace)) IS NOT NULL
$$;

-- Whether no transaction of a user relies on a lease, and none will until this turn's end.
CREATE FUNCTION lock_guard(namespace text) RETURNS boolean LANGUAGE sql AS $$
  SELECT pg_try_advisory_xact_lock('requests'::regclass::oid::integer, lock_number(namespace))
$$;

CREATE FUNCTION refuse_isolation() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a step of the lock table must run in a transaction that is READ COMMITTED' USING ERRCODE = 'HF002';
END $$;

import { FencedOutError, InvalidRequestError } from '../../core/errors.ts'
import { checkOptions } from '../../core/options.ts'
import { show } from '../../core/show.ts'
import { type Fenced, tokenOf } from '../fence.ts'
import { checkPostgresClient, identifier, type PostgresClient, query } from './client.ts'

/** Where the lock is kept, as it was said to the lock manager. */
export interface AssertHeldOptions {
  /** Default `'default'`. */
  readonly namespace?: string
  /** Of the Postgres store's tables. Default `'holdfast'`. */
  readonly schema?: string
}

/** What the SQL function `assert_held` raises where the lease is not live. */
const NOT_HELD = 'HF010'

/**
 * Asserts, inside of your own transaction, that a lock kept in the same database is live, and sees to it that it does
 * not end before the transaction does: so all that the transaction writes is written under the lock, exactly, with no
 * column in your tables. Call it before the transaction reads what the lock protects.
 *
 * @param client the connection of your transaction: a Client of `pg` (not a Pool), or the `sql` that `sql.begin` of
 *   `postgres` hands over. Outside of a transaction the assertion is over as soon as it is made.
 * @throws FencedOutError (FENCED_OUT) if the lease is over. The transaction is then aborted: roll it back.
 * @throws InvalidRequestError for a lock without a resource, another client or unknown options
 * @throws the client's own errors, for one where this database holds no lock store
 */
export async function assertHeld(client: PostgresClient, lock: Fenced, options: AssertHeldOptions = {}): Promise<void> {
  checkPostgresClient(client)
  checkOptions(options, ['namespace', 'schema'], 'assertHeld')
  const { namespace = 'default', schema = 'holdfast' } = options
  const token = tokenOf(lock)
  // All claims of a lease end together, so one of them speaks for all.
  const resource = lock.resources?.[0]?.resourceId
  if (resource === undefined)
    throw new InvalidRequestError('assertHeld needs the lock itself: its token alone is not enough.')
  const text = `SELECT ${identifier(schema)}.assert_held($1::text, $2::text, $3::bigint)`
  try {
    await query(client, text, [namespace, resource, String(token)])
  } catch (cause) {
    if (!isNotHeld(cause)) throw cause
    throw new FencedOutError(
      `The lock on ${show(resource)} with fencing token ${token} is over, says the database that keeps it. ` +
        'This transaction is aborted: roll it back, lock again, and start anew.',
      { resources: lock.resources ?? [], cause },
    )
  }
}

function isNotHeld(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === NOT_HELD
}

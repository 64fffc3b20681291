import { StoreUnavailableError } from '../../core/errors.ts'
import { NotExecutedError } from '../../core/store.ts'
import { UnknownOwnerError } from './clients/client.ts'

/** What the server refuses for a while: on its way up, during a fail-over or while a slot moves. */
const PASSING: ReadonlySet<string> = new Set([
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MOVED',
  'NOREPLICAS',
  'READONLY',
  'TRYAGAIN',
])

/** What to do about a refusal, by the word that its text begins with. */
const ADVICE: Readonly<Record<string, string>> = {
  NOPERM: 'Give the user the permissions that the documentation of the Redis store lists.',
  NOAUTH: 'Put a user and a password into the URL.',
  WRONGPASS: 'Check the user and the password.',
  OOM: 'Its memory is full: raise maxmemory, or free some.',
  MISCONF: 'It cannot save its data: look into its log, and check its disk.',
  READONLY: 'It is a replica, or has become one: name the primary, or let Sentinels or a Cluster find it.',
  LOADING: 'It is loading its data: try again soon.',
  CLUSTERDOWN: 'Its Cluster is incomplete: check the nodes.',
}

/** Client errors that mean that the command has not left this process, by the name of their class. */
const UNSENT: ReadonlySet<string> = new Set(['ClientClosedError', 'ClientOfflineError'])

/** How ioredis says the same. */
const UNSENT_TEXT = /^Stream isn't writeable/u

/**
 * The word that an error reply begins with, such as `NOPERM`; `undefined` for an error of the client or the connection.
 * What ioredis, node-redis and iovalkey have in common is the text.
 */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || 'errno' in error || 'syscall' in error) return undefined
  return /^([A-Z]{2,})(?: |$)/u.exec(error.message)?.[1]
}

/** Whether nothing was executed for a reason that may pass. */
export function isPassing(error: unknown): boolean {
  const code = replyCode(error)
  return code === undefined ? isUnsent(error) : PASSING.has(code)
}

function isUnsent(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error instanceof UnknownOwnerError || UNSENT.has(error.constructor.name) || UNSENT_TEXT.test(error.message)
}

/** Whether a script was running when the error came; the other codes are those of its first write, which was refused. */
function hasBegun(code: string, said: string): boolean {
  return code === 'ERR' && /user_(?:function|script)|running script|script killed|script: /iu.test(said)
}

/** Whatever a client has rejected with, as the error that the contract of stores asks for. */
export function failureOf(error: unknown, server: string): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error
  const code = replyCode(error)
  const said = saidBy(error)
  if (code !== undefined && hasBegun(code, said)) {
    return new StoreUnavailableError(`Redis at ${server} has failed: ${said}. What was asked for may have been done.`, {
      cause: error,
    })
  }
  if (code !== undefined) {
    const advice = ADVICE[code] ?? ''
    return new NotExecutedError(`Redis at ${server} has refused: ${said}. ${advice}`.trimEnd(), { cause: error })
  }
  if (isUnsent(error)) return unreachable(error, server)
  return new StoreUnavailableError(
    `The connection to Redis at ${server} was lost before the answer came (${said}). What was asked for may have been done.`,
    { cause: error },
  )
}

/** Nothing was sent, because there is no connection. */
export function unreachable(error: unknown, server: string): NotExecutedError {
  const why = error === undefined ? 'no connection' : saidBy(error)
  const code = replyCode(error)
  const advice = (code === undefined ? undefined : ADVICE[code]) ?? 'Check that it runs and can be reached.'
  return new NotExecutedError(`Redis at ${server} cannot be used (${why}). Nothing was done. ${advice}`, {
    cause: error,
  })
}

function saidBy(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // An error that stands for several addresses tried has no text of its own.
  if (error instanceof AggregateError && error.message === '') return saidBy(error.errors[0])
  return error.message.replace(/\.$/u, '')
}

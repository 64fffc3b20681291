import { isResourceLockError, StoreUnavailableError } from '../../core/errors.ts'
import { NotExecutedError } from '../../core/store.ts'
import { ServerError } from './link.ts'

/** How far a statement had come when it failed: certainly not to the server, or possibly. */
export type Progress = 'unsent' | 'sent'

/** What happened and what to do, by SQLSTATE or by the code of a system error. */
const ADVICE: Readonly<Record<string, (server: string) => string>> = {
  '08P01': (server) => `${server} broke off the connection.`,
  '25006': (server) => `${server} only takes reads: it is a standby, or set so. Name the primary.`,
  '28000': (server) => `${server} refuses this user. Check the user, the address and pg_hba.conf.`,
  '28P01': (server) => `${server} refuses the password. Check user and password.`,
  '3D000': (server) => `${server} does not exist. Create the database, or correct its name.`,
  '42501': (server) =>
    `This user may not do that at ${server}. Have the schema's owner run 'holdfast migrate --role USER', which grants what is needed.`,
  '53300': (server) =>
    `${server} has no free connection. Raise max_connections, make the pools of those who use it smaller, or put a pooler in front.`,
  '55P03': (server) => `Another transaction kept the locks at ${server} busy. The call can be repeated.`,
  '57P01': (server) => `${server} ended the connection: it was told to, or is shutting down.`,
  '57P02': (server) => `${server} has crashed and is starting again.`,
  '57P03': (server) => `${server} is starting or shutting down. The call can be repeated.`,
  CERT_HAS_EXPIRED: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
}

/** With these the connection was refused, whenever a client library tells of it. */
const BEFORE_ANY_STATEMENT =
  /^(?:28.{3}|3D000|53300|57P03|0800[14]|ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EACCES|CONNECT_TIMEOUT|CONNECTION_ENDED)$/u

/**
 * With these it is open whether the transaction was committed: the server may have lost the connection, been told to
 * stop or crashed just before or just after. All other errors of a server mean that it has rolled back.
 */
const OPEN = /^(?:08|53|57|58|F0|XX)|^40003$/u

/** Two transactions were in each other's way and this one gave up. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ServerError && (error.sqlState === '40001' || error.sqlState === '40P01')
}

/** The functions of the store are not where this version of the package looks for them. */
export function lacksSchema(error: unknown): error is ServerError {
  return error instanceof ServerError && ['3F000', '42883', '42P01'].includes(error.sqlState)
}

/** A pooler lent a connection that does not know the statement, or knows it already. */
export function lacksStatement(error: unknown): boolean {
  return error instanceof ServerError && (error.sqlState === '26000' || error.sqlState === '42P05')
}

/** Whatever a client library has thrown, as the error that {@link PostgresLink} promises. */
export function failure(error: unknown, server: string, progress: Progress): Error {
  if (isResourceLockError(error)) return error
  const code = codeOf(error)
  const said = error instanceof Error ? whatIsSaid(error) : String(error)
  const advice = ADVICE[code]?.(server)
  if (progress === 'unsent' || BEFORE_ANY_STATEMENT.test(code)) {
    const what = advice ?? `${server} could not be reached. Check that it runs and can be reached from here.`
    return new NotExecutedError(`${what} Nothing was done. (${said})`, { cause: error })
  }
  if (isSqlState(code) && !OPEN.test(code)) {
    return new ServerError(`${advice ?? `${server} refused.`} Nothing was done. (${said})`, code, error)
  }
  return advice === undefined
    ? connectionLost(server, error)
    : new StoreUnavailableError(`${advice} (${said})`, { cause: error })
}

/** What a caller is told if the connection went away under a statement, or before it. */
export function connectionLost(server: string, cause?: unknown): StoreUnavailableError {
  const said = cause instanceof Error ? ` (${whatIsSaid(cause)})` : ''
  return new StoreUnavailableError(`The connection to ${server} was lost.${said}`, { cause })
}

/** What a caller is told if no connection could be had. */
export function noConnection(server: string, waitedMs: number): NotExecutedError {
  return new NotExecutedError(
    `No connection to ${server} could be had within ${waitedMs / 1000} seconds. Check that it can be reached, and that the pool is large enough for all who use it. Nothing was done.`,
  )
}

/** What a caller is told if a statement was sent and nothing came back. */
export function noAnswer(server: string, waitedMs: number): StoreUnavailableError {
  return new StoreUnavailableError(`${server} has not answered for ${waitedMs / 1000} seconds.`)
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  // Node tries each address of a host; all of them failed, and mostly in the same way.
  return error instanceof AggregateError ? codeOf(error.errors[0]) : ''
}

function whatIsSaid(error: Error): string {
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(String).join('; ')
  const hint = 'hint' in error && typeof error.hint === 'string' ? ` ${error.hint}` : ''
  return `${error.message}${hint}`
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/u.test(code)
}

function untrusted(server: string): string {
  return `The certificate of ${server} is not trusted. Name the one that signed it (sslrootcert), and the host as the certificate has it.`
}

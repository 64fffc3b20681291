import type { Claim, DeadlockLink, LockInfo, Loss } from './model.ts'

/** What every error of this package may carry besides its message. */
export interface ErrorDetails {
  /** What was asked for. Default: none. */
  readonly resources?: readonly Claim[]
  /** Who stands in the way, one entry per claim. Default: none. */
  readonly holders?: readonly LockInfo[]
  /** Waiting requests in front of this one. Default: 0. */
  readonly ahead?: number
  /** What led to this error. */
  readonly cause?: unknown
}

// Registered globally, so that an error of another copy of this package is still known.
const BRAND = Symbol.for('holdfast.error')

// On the prototype rather than on each error: neither printed nor copied, and right in the first line of the stack.
function brand(errorClass: { readonly prototype: object }, name: string): void {
  const hidden = { writable: true, configurable: true, enumerable: false }
  Object.defineProperty(errorClass.prototype, BRAND, { ...hidden, value: true })
  Object.defineProperty(errorClass.prototype, 'name', { ...hidden, value: name })
}

/**
 * What every error of this package is. Tell them apart with {@link isResourceLockError} and a code rather than with
 * `instanceof`, which fails where two copies of the package are installed.
 *
 * It may be made by users too, with a code of their own (default `'ERROR'`).
 * `error-messages.ts` writes the messages of those that this package makes.
 */
export class ResourceLockError extends Error {
  static {
    brand(this, 'ResourceLockError')
  }

  /** Stable name of what happened; one of {@link ErrorsByCode} unless a user made the error. */
  readonly code: string
  /** What was asked for; empty where the error is not about resources. */
  readonly resources: readonly Claim[]
  /** Who stood in the way when the error was made, one entry per claim; empty where nobody did or nobody is known. */
  readonly holders: readonly LockInfo[]
  /** Waiting requests that were in front of this one; 0 where there were none or it never stood in line. */
  readonly ahead: number

  constructor(message: string, details: ErrorDetails & { readonly code?: string } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = details.code ?? 'ERROR'
    this.resources = details.resources ?? []
    this.holders = details.holders ?? []
    this.ahead = details.ahead ?? 0
  }
}

/** The resource was not free and the request was not to wait. Retry later, or wait with `waitTimeout`. */
export class LockBusyError extends ResourceLockError {
  static {
    brand(this, 'LockBusyError')
  }
  declare readonly code: 'BUSY'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'BUSY' })
  }
}

/** The resource did not become free within `waitTimeout`. */
export class LockTimeoutError extends ResourceLockError {
  static {
    brand(this, 'LockTimeoutError')
  }
  declare readonly code: 'WAIT_TIMEOUT'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'WAIT_TIMEOUT' })
  }
}

/** The lease ended although its holder had not released it: what it protected may be in other hands by now. */
export class LockLostError extends ResourceLockError {
  static {
    brand(this, 'LockLostError')
  }
  declare readonly code: 'LOST'
  /** How it was lost, and by whom where somebody forced it. */
  readonly loss: Loss

  constructor(message: string, details: ErrorDetails & { readonly loss: Loss }) {
    super(message, { ...details, code: 'LOST' })
    this.loss = details.loss
  }
}

/** Waiting would never have ended: this request closed a circle of activities that wait for each other. */
export class DeadlockError extends ResourceLockError {
  static {
    brand(this, 'DeadlockError')
  }
  declare readonly code: 'DEADLOCK'
  /** The whole circle, each waiter followed by who holds what it waits for. */
  readonly cycle: readonly DeadlockLink[]

  constructor(message: string, details: ErrorDetails & { readonly cycle: readonly DeadlockLink[] }) {
    super(message, { ...details, code: 'DEADLOCK' })
    this.cycle = details.cycle
  }
}

/** The lock had been released already by its own holder. */
export class NotHeldError extends ResourceLockError {
  static {
    brand(this, 'NotHeldError')
  }
  declare readonly code: 'NOT_HELD'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'NOT_HELD' })
  }
}

/** A guarded resource has already seen a higher fencing token: this holder's time is over. */
export class FencedOutError extends ResourceLockError {
  static {
    brand(this, 'FencedOutError')
  }
  declare readonly code: 'FENCED_OUT'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'FENCED_OUT' })
  }
}

/** The store could not be reached, or did not answer in time; `cause` is its client's own error. */
export class StoreUnavailableError extends ResourceLockError {
  static {
    brand(this, 'StoreUnavailableError')
  }
  declare readonly code: 'UNAVAILABLE'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'UNAVAILABLE' })
  }
}

/** The call itself was wrong: a value out of its range, an unknown option, an id that no resource may have. */
export class InvalidRequestError extends ResourceLockError {
  static {
    brand(this, 'InvalidRequestError')
  }
  declare readonly code: 'INVALID'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'INVALID' })
  }
}

/** The manager was closed before, or during, the call. */
export class ClosedError extends ResourceLockError {
  static {
    brand(this, 'ClosedError')
  }
  declare readonly code: 'CLOSED'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'CLOSED' })
  }
}

/** Which class has which code. The list is complete: a new code is a breaking change. */
export interface ErrorsByCode {
  readonly BUSY: LockBusyError
  readonly WAIT_TIMEOUT: LockTimeoutError
  readonly LOST: LockLostError
  readonly DEADLOCK: DeadlockError
  readonly NOT_HELD: NotHeldError
  readonly FENCED_OUT: FencedOutError
  readonly UNAVAILABLE: StoreUnavailableError
  readonly INVALID: InvalidRequestError
  readonly CLOSED: ClosedError
}

/** The codes of this package's own errors. */
export type ErrorCode = keyof ErrorsByCode

/**
 * Whether a caught value is an error of this package (of any copy of it), and with which code.
 * It never throws, whatever the value is.
 */
export function isResourceLockError(error: unknown): error is ResourceLockError
export function isResourceLockError<Code extends ErrorCode>(error: unknown, code: Code): error is ErrorsByCode[Code]
export function isResourceLockError(error: unknown, code: string): error is ResourceLockError
export function isResourceLockError(error: unknown, code?: string): boolean {
  if (typeof error !== 'object' || error === null) return false
  try {
    const branded = error as { readonly [BRAND]?: unknown; readonly code?: unknown }
    return branded[BRAND] === true && (code === undefined || branded.code === code)
  } catch {
    // A proxy or a getter may throw; such a value is not ours.
    return false
  }
}

import { isResourceLockError, type StoreUnavailableError } from '../../core/errors.ts'
import { NotExecutedError } from '../../core/store.ts'
import { isBusy, resultOf } from './result-code.ts'
import { DamagedTextError } from './texts.ts'
import { WriteLockTimeoutError } from './writelock.ts'

/** What happened and what to do, by SQLite's primary result code. */
const BY_RESULT: Readonly<Record<number, (file: string) => string>> = {
  3: (file) => `Access to ${file} was denied. Check who owns the file and its folder.`,
  8: (file) =>
    `${file} cannot be written to: the file, its folder or the file system is read-only for this user. A lock needs to write: change that, or name another file.`,
  10: (file) =>
    `The disk reported an error when ${file} was read or written. Check the disk; then the call can be repeated.`,
  11: damaged,
  13: (file) => `The disk that ${file} is on is full. Make room; then the call can be repeated.`,
  14: (file) =>
    `${file} could not be opened, or the files next to it (-wal, -shm) could not be made. Check that the folder exists, that this user may write to it, and that there is room.`,
  26: damaged,
}

/** Whatever SQLite or the file system has thrown, as the error that the contract of stores asks for. */
export function unavailable(error: unknown, file: string): Error {
  if (isResourceLockError(error, 'UNAVAILABLE')) return notExecuted(error)
  if (isResourceLockError(error)) return error
  if (error instanceof DamagedTextError) return failure(`${damaged(file)} (${error.message})`, error)
  if (error instanceof WriteLockTimeoutError) return failure(`${error.message} The file is ${file}.`, error)
  if (isBusy(error)) {
    return failure(`Other processes kept ${file} locked. Nothing was done; the call can be repeated.`, error)
  }
  const result = resultOf(error)
  if (error instanceof Error && result === 0 && !('code' in error)) return error
  const explain = BY_RESULT[result]
  const said = error instanceof Error ? error.message : String(error)
  const what = explain?.(file) ?? `SQLite could not use ${file}.`
  return failure(`${what} Nothing was done. (${said})`, error)
}

/** A file that cannot be used executes nothing, so nobody need wait to see whether it did. */
function notExecuted(error: StoreUnavailableError): NotExecutedError {
  return error instanceof NotExecutedError ? error : new NotExecutedError(error.message, { cause: error })
}

function damaged(file: string): string {
  return `${file} is damaged, or is no SQLite database. Holdfast has neither changed nor deleted it. If you can spare the locks in it, stop what uses the file, move it and the files next to it (-wal, -shm) away, and a new one will be made.`
}

/** SQLite leaves nothing half done: whoever called is told at once, and may try again. */
function failure(message: string, cause: unknown): NotExecutedError {
  return new NotExecutedError(message, { cause })
}

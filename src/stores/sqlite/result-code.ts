/** SQLite's primary result codes (https://sqlite.org/rescode.html). */
const BUSY = 5
const LOCKED = 6

const BY_SYSTEM_ERROR: Readonly<Record<string, number>> = {
  EACCES: 3,
  EPERM: 3,
  EROFS: 8,
  EIO: 10,
  ENOSPC: 13,
  EDQUOT: 13,
  ENOENT: 14,
  ENOTDIR: 14,
  EISDIR: 14,
  EEXIST: 14,
  ELOOP: 14,
  ENAMETOOLONG: 14,
  EMFILE: 14,
  ENFILE: 14,
}

/** The primary result code of an error of SQLite, or what SQLite would call an error of the file system; else 0. */
export function resultOf(error: unknown): number {
  if (!(error instanceof Error)) return 0
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff
  return 'code' in error && typeof error.code === 'string' ? (BY_SYSTEM_ERROR[error.code] ?? 0) : 0
}

/** Whether another connection was in the way, so that trying again may help. */
export function isBusy(error: unknown): boolean {
  const result = resultOf(error)
  return result === BUSY || result === LOCKED
}

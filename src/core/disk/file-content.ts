import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { InvalidRequestError } from '../errors.ts'
import { show } from '../show.ts'

/** The code of an error of the system, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** @returns `null` where there is no such file */
export function readIfExists(path: string): Promise<Buffer | null> {
  return ifExists(readFile(path))
}

/** @returns `null` where there is no such file */
export function statIfExists(path: string): Promise<Stats | null> {
  return ifExists(stat(path))
}

/** The text of a file. @throws InvalidRequestError if it is not UTF-8, which would come back changed; it ends with the advice */
export function textOf(bytes: Buffer, path: string, advice: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new InvalidRequestError(`${show(path)} is not UTF-8 text: ${advice}.`, { cause })
  }
}

async function ifExists<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

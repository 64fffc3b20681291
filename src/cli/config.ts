import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { show } from '../core/show.ts'
import { UsageError } from './failure.ts'

/** The name of the config file; the nearest one upwards of the working directory counts, alone. */
const CONFIG_NAME = '.holdfast.json'

const KEYS = ['store', 'namespace', 'agent'] as const

export interface Config {
  /** Of the file itself. */
  readonly path: string
  readonly store?: string
  readonly namespace?: string
  readonly agent?: string
}

/**
 * The nearest config file upwards.
 *
 * @throws UsageError that names the file, the key and the rule
 */
export function readConfig(folder: string): Config | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, CONFIG_NAME)
    const text = readText(path)
    if (text !== undefined) return checkConfig(path, parse(path, text))
    if (dirname(at) === at) return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new UsageError(`The config file ${path} cannot be read: ${message}.`, { cause })
  }
}

function parse(path: string, text: string): unknown {
  try {
    // An editor on Windows may have put a byte order mark in front.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new UsageError(`The config file ${path} is not JSON: ${(cause as Error).message}.`, { cause })
  }
}

function checkConfig(path: string, value: unknown): Config {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(
      `The config file ${path} holds ${show(value)}, which is not an object with ${KEYS.join(', ')}.`,
    )
  }
  const entries = Object.entries(value as Record<string, unknown>)
  const unknown = entries.map(([key]) => key).filter((key) => !KEYS.some((known) => known === key))
  if (unknown.length > 0) {
    const named = unknown.map((key) => show(key)).join(', ')
    throw new UsageError(`The config file ${path} has ${named}, which is not known: known are ${KEYS.join(', ')}.`)
  }
  for (const [key, entry] of entries) {
    if (typeof entry === 'string' && entry !== '') continue
    throw new UsageError(
      `The config file ${path} says ${key}: ${show(entry)}, which is not a text of at least one letter.`,
    )
  }
  const config = value as Omit<Config, 'path'>
  return { ...config, path, ...(config.store === undefined ? {} : { store: fromFolder(config.store, dirname(path)) }) }
}

/** A relative file is relative to the config file: the same store, wherever below it one stands. */
function fromFolder(store: string, folder: string): string {
  const file = /^sqlite:(?!\/\/)(?<file>.+)$/u.exec(store)?.groups?.['file']
  return file === undefined || isAbsolute(file) ? store : `sqlite:${join(folder, file)}`
}

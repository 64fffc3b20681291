import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../core/disk/make-folder.ts'
import { stateFolder } from '../core/disk/state-folder.ts'
import type { Claim } from '../core/model.ts'
import { isAlive, type ProcessIdentity } from './process-identity.ts'

/** A handle of one's own, as it is kept between commands. */
export interface KeptHandle {
  readonly handle: string
  /** URL of the store, without credentials. */
  readonly store: string
  readonly namespace: string
  readonly agentId: string
  /** Nobody had named the agent: it is whoever uses this account, from whichever shell. */
  readonly isAnonymous: boolean
  readonly claims: readonly Claim[]
  readonly fencingToken: number
  /** By this machine's clock, in milliseconds since 1970; a keeper moves the real one on. */
  readonly expiresAt: number
  readonly keeper?: Keeper
}

/** The process that keeps a lock alive, and the one for whose sake it does. */
export interface Keeper {
  readonly process: ProcessIdentity
  readonly forPid: number
}

/** A handle is kept for so long after its lock has ended by our clock: the store's may be behind. */
const GRACE_MS = 60_000

const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600

/** Keeps a handle, or what is new about it. */
export function keep(kept: KeptHandle): void {
  const file = fileOf(kept.handle)
  makeFolder(folder(), PRIVATE_FOLDER)
  // By another name first: who reads meanwhile sees all of it or nothing.
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, JSON.stringify(kept), { mode: PRIVATE_FILE })
  renameSync(draft, file)
}

export function forget(handle: string): void {
  rmSync(fileOf(handle), { force: true })
}

export function isKept(handle: string): boolean {
  return existsSync(fileOf(handle))
}

/** What is kept, latest first. Handles whose locks have ended are forgotten on the way. */
export function keptHandles(nowMs: number = Date.now()): KeptHandle[] {
  const kept: KeptHandle[] = []
  for (const name of namesIn(folder())) {
    const path = join(folder(), name)
    const each = read(path)
    if (each === undefined || isOver(each, nowMs)) rmSync(path, { force: true })
    else kept.push(each)
  }
  return kept.toSorted((a, b) => b.fencingToken - a.fencingToken)
}

export function keptHandleOf(handle: string): KeptHandle | undefined {
  return read(fileOf(handle))
}

function isOver({ expiresAt, keeper }: KeptHandle, nowMs: number): boolean {
  if (keeper !== undefined && isAlive(keeper.process)) return false
  return expiresAt + GRACE_MS < nowMs
}

function read(path: string): KeptHandle | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<KeptHandle> | null
    return typeof value?.handle === 'string' && Array.isArray(value.claims) ? (value as KeptHandle) : undefined
  } catch {
    return undefined
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}

function fileOf(handle: string): string {
  return join(folder(), `${createHash('sha256').update(handle).digest('hex').slice(0, 32)}.json`)
}

function folder(): string {
  return join(stateFolder(process.env), 'holdfast', 'handles')
}

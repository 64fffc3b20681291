import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parse } from 'node:path'
import { identify, type ProcessIdentity } from './process-identity.ts'

/** The word by which this program starts itself as a keeper. */
const KEEP = '__keep'

/** What a keeper is told, through a pipe: the token must not stand in a list of processes. */
export interface KeepTask {
  readonly handle: string
  /** With credentials, if it has any. */
  readonly store: string
  readonly namespace: string
  readonly id: number
  readonly token: string
  readonly ttlMs: number
  /** The lock is kept while this runs. */
  readonly target: ProcessIdentity
}

/**
 * Starts a process of its own that keeps a lock for as long as another process lives. It goes on when this one ends.
 *
 * @param announce called with the keeper before it starts to work
 * @throws Error if it cannot be started, or does not get hold of the lock
 */
export async function startKeeper(task: KeepTask, announce: (keeper: ProcessIdentity) => void): Promise<void> {
  const { argv, execPath } = process
  // By this mark a run finds what belongs to it, in order to stop it. A keeper ends with the process that it serves.
  const { HOLDFAST_RUN: _mark, ...env } = process.env
  const child = spawn(execPath, [argv[1] ?? '', KEEP], {
    // In no folder that somebody may want to remove.
    cwd: parse(process.cwd()).root,
    detached: true,
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  })
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`The process that was to keep the lock has ended (${String(code)}).`)
  })
  const ready = once(child.stdout, 'data')
  // The loser of the race below is nobody's business any more.
  failed.catch(() => {})
  ready.catch(() => {})
  const keeper = child.pid === undefined ? undefined : identify(child.pid)
  if (keeper !== undefined) announce(keeper)
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(task))
  await Promise.race([ready, failed, once(child, 'error').then(([error]) => Promise.reject(error as Error))])
  child.stdout.destroy()
  child.unref()
}

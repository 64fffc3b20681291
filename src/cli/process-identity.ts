import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** One process, told apart from a later one with the same number where the system lets us. */
export interface ProcessIdentity {
  readonly pid: number
  /** Opaque; `null` where the system does not tell. */
  readonly startedAt: string | null
}

/** @returns `undefined` if there is no such process */
export function identify(pid: number): ProcessIdentity | undefined {
  return isRunning(pid) ? { pid, startedAt: startOf(pid) } : undefined
}

/** Whether that very process still runs. */
export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return isRunning(pid) && (startedAt === null || startOf(pid) === startedAt)
}

/** Whether there is a process of this number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // It is there, but somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return statOf(pid)?.state !== 'Z'
}

/** When it started: on Linux in ticks since that boot, elsewhere as `ps` says. */
function startOf(pid: number): string | null {
  if (process.platform === 'linux') {
    const stat = statOf(pid)
    return stat === undefined ? null : `${stat.startTicks}@${readOr('/proc/sys/kernel/random/boot_id').trim()}`
  }
  if (process.platform === 'win32') return null
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env: { LC_ALL: 'C' } }).trim()
  } catch {
    return null
  }
}

/** Fields 3 and 22 of proc_pid_stat(5). The name before them may hold spaces and parentheses. */
function statOf(pid: number): { readonly state: string; readonly startTicks: string } | undefined {
  if (process.platform !== 'linux') return undefined
  const text = readOr(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

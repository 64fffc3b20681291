import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A living process of this machine. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** Its environment holds the mark that was looked for. */
  readonly isMarked: boolean
}

/**
 * All living processes. On Linux also whether they carry a mark in the environment that they were started with, which
 * finds those whose parent has died; other systems show only who is whose child.
 */
export function readProcesses(mark: string): readonly Process[] {
  try {
    return process.platform === 'linux' ? fromProc(mark) : fromPs()
  } catch {
    // Nothing can be seen here (Windows; /proc not mounted and no ps): what is known by its id must do.
    return []
  }
}

function fromProc(mark: string): readonly Process[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    const found = parseStat(readOr(`/proc/${pid}/stat`))
    return found === undefined ? [] : [{ ...found, isMarked: readOr(`/proc/${pid}/environ`).includes(mark) }]
  })
}

/** Processes come and go while they are looked at, and those of other users do not show everything. */
function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** `pid (name) state ppid pgrp …`, where the name may hold anything, brackets and line ends too. */
export function parseStat(text: string): Omit<Process, 'isMarked'> | undefined {
  const [state = '', parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const pid = Number.parseInt(text, 10)
  if (!Number.isSafeInteger(pid) || isDead(state)) return undefined
  return { pid, parent: Number(parent), group: Number(group) }
}

function fromPs(): readonly Process[] {
  const args = ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'pgid=', '-o', 'stat=']
  return parsePs(execFileSync('ps', args, { encoding: 'utf8', timeout: 2_000, stdio: ['ignore', 'pipe', 'ignore'] }))
}

export function parsePs(text: string): readonly Process[] {
  return text.split('\n').flatMap((line) => {
    const [pid, parent, group, state = ''] = line.trim().split(/\s+/)
    if (pid === undefined || pid === '' || isDead(state)) return []
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), isMarked: false }]
  })
}

/** It has ended, and only its exit code is still there. */
function isDead(state: string): boolean {
  return state === '' || /^[ZX]/i.test(state)
}

/** What a command is known by. */
export interface Origin {
  /** Of the command itself, while that has not ended: afterwards the number may be somebody else's. */
  readonly pid?: number
  /** Its own process group, if it has one. */
  readonly group?: number
}

/** Those that belong to a command: itself, its group, the marked ones, and all their descendants. */
export function membersOf(processes: readonly Process[], { pid, group }: Origin): readonly Process[] {
  const members = new Set(
    processes.filter((each) => each.pid === pid || each.group === group || each.isMarked).map((each) => each.pid),
  )
  for (let size = -1; size < members.size;) {
    size = members.size
    for (const each of processes) if (members.has(each.parent)) members.add(each.pid)
  }
  // This process is in no group of a command, and started before any mark of it was made; but better safe than dead.
  return processes.filter((each) => members.has(each.pid) && each.pid !== process.pid)
}

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { readProcesses } from '../../src/cli/run/process-table.ts'
import { ResourceLockManager } from '../../src/index.ts'
import { root } from './repository.ts'

/** The command line that starts the built `holdfast`. */
export const holdfast: readonly [string, string] = [process.execPath, join(root, 'dist/cli/main.js')]

const heartbeat = fileURLToPath(new URL('run-heartbeat.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** A `holdfast run` of the tests. */
export interface Run {
  readonly process: ChildProcess
  readonly pid: number
  readonly ended: Promise<Ended>
  /** What it has said on stderr so far. */
  readonly stderr: () => string
}

/** What a heartbeat has written down. */
export interface Beats {
  readonly pid: number
  readonly expiresAt: number
  readonly last: number
  readonly signals: readonly { readonly name: string; readonly at: number }[]
}

/** A folder with a store of its own, and everything that was started in it. */
export class Workshop implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'holdfast-run-'))
  readonly database: string = join(this.folder, 'locks.db')
  readonly env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'))),
    HOLDFAST_STORE: `sqlite:${this.database}`,
    HOLDFAST_AGENT: 'tester',
  }
  /** Another agent's access to the same locks. */
  readonly locks: ResourceLockManager = new ResourceLockManager({ store: `sqlite:${this.database}`, metrics: false })
  #busy: DatabaseSync | undefined

  path(name: string): string {
    return join(this.folder, name)
  }

  /** `holdfast run` with these arguments. */
  run(args: readonly string[], input: Buffer | 'inherit nothing' = 'inherit nothing'): Run {
    const [node, main] = holdfast
    const child = spawn(node, [main, 'run', ...args], {
      cwd: this.folder,
      env: this.env,
      stdio: [input === 'inherit nothing' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      // A session of its own: without a terminal, wherever the tests run.
      detached: true,
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin?.end(input)
    const stderr = (): string => Buffer.concat(err).toString()
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal, stdout: Buffer.concat(out), stderr: stderr() }))
    })
    return { process: child, pid: child.pid ?? 0, ended, stderr }
  }

  /** A command that writes down when it lives. */
  heartbeat(name: string, ...traits: readonly ('deaf' | 'child' | 'stray')[]): string[] {
    const file = this.path(name)
    return [process.execPath, heartbeat, file, ...traits]
  }

  /** @param name as given to {@link heartbeat}, with `.child` or `.stray` for those */
  beats(name: string): Beats | undefined {
    const file = this.path(name)
    if (!existsSync(file)) return undefined
    const [start = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n')
    const [, at, pid, expiresAt = ''] = start.split(' ')
    const notes = lines.map((line) => line.split(' ')).map(([what = '', when]) => ({ name: what, at: Number(when) }))
    return {
      pid: Number(pid),
      expiresAt: Date.parse(expiresAt),
      last: notes.at(-1)?.at ?? Number(at),
      signals: notes.filter((note) => note.name !== 'beat'),
    }
  }

  async beating(name: string): Promise<Beats> {
    return until(() => this.beats(name))
  }

  /** Resolves with the names of the signals that it got, once there is one. */
  async signals(name: string): Promise<string[]> {
    return until(() => {
      const names = this.beats(name)?.signals.map((signal) => signal.name) ?? []
      return names.length > 0 && names
    })
  }

  /** Resolves when the process of a heartbeat is gone. */
  async silence(name: string): Promise<Beats> {
    const { pid } = await this.beating(name)
    return until(() => (isAlive(pid) ? undefined : this.beats(name)))
  }

  status(name: string): Record<string, unknown> | undefined {
    return existsSync(this.path(name))
      ? (JSON.parse(readFileSync(this.path(name), 'utf8')) as Record<string, unknown>)
      : undefined
  }

  /** Makes the store unreachable as a stuck process does: it begins a transaction and does not end it. */
  block(): void {
    this.#busy = new DatabaseSync(this.database, { timeout: 1_000 })
    this.#busy.exec('BEGIN IMMEDIATE')
  }

  /** Stops a run, but not in a transaction: that would stop everybody who uses the store. */
  stop(run: Run): void {
    for (;;) {
      run.process.kill('SIGSTOP')
      try {
        this.block()
        return this.unblock()
      } catch {
        this.unblock()
        run.process.kill('SIGCONT')
      }
    }
  }

  unblock(): void {
    this.#busy?.close()
    this.#busy = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unblock()
    // All that was started here has the folder's name in its environment, whatever has become of its parents.
    await until(() => {
      const left = readProcesses(this.folder).filter(({ isMarked }) => isMarked)
      for (const { pid } of left) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
      return left.length === 0
    })
    await this.locks.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The letter that ps shows: `T` for stopped, `Z` for a zombie; none for a process that is gone. */
export function stateOf(pid: number): string | undefined {
  try {
    return /^\d+ \(.*\) (\w)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]
  } catch {
    return undefined
  }
}

/** A zombie is not: only nobody has asked for its exit code yet. */
export function isAlive(pid: number): boolean {
  return !['Z', 'X', undefined].includes(stateOf(pid))
}

/** Waits for something to be there. The test's own time is the limit. */
export async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

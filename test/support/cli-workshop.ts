import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { root } from './repository.ts'

/** The built command line. */
export const main: string = join(root, 'dist/cli/main.js')

/** Waits for something to become true. Each look may start a process or two, on a machine that has other things to do. */
export function eventually(look: () => unknown): Promise<unknown> {
  return vi.waitFor(look, { timeout: 15_000, interval: 100 })
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A `holdfast` that was started. */
export interface Started {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** What it has printed so far. */
  readonly stdout: () => string
}

/** How a command is started, where it is not as usual. */
export interface Start {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly input?: string
}

/** A git working tree with a store and a home of its own. */
export class CliWorkshop implements AsyncDisposable {
  readonly folder: string = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-cli-')))
  /** A working tree: paths become ids here. */
  readonly tree: string = join(this.folder, 'tree')
  readonly home: string = join(this.folder, 'home')
  readonly database: string = join(this.folder, 'locks.db')
  readonly env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'))),
    HOME: this.home,
    XDG_STATE_HOME: join(this.home, 'state'),
    XDG_CACHE_HOME: join(this.home, 'cache'),
    HOLDFAST_STORE: `sqlite:${this.database}`,
    HOLDFAST_AGENT: 'tester',
  }
  readonly #started: ChildProcess[] = []

  constructor() {
    mkdirSync(this.tree)
    mkdirSync(this.home)
    execFileSync('git', ['init', '--quiet'], { cwd: this.tree })
  }

  /** Runs a command to its end. */
  run(args: readonly string[], start: Start = {}): Promise<Ended> {
    return this.start(args, start).ended
  }

  /** What a command prints with `--json`. */
  async json<T>(args: readonly string[], start: Start = {}): Promise<T> {
    const { stdout, stderr } = await this.run([...args, '--json'], start)
    if (stdout === '') throw new Error(`holdfast ${args.join(' ')} printed nothing: ${stderr}`)
    return JSON.parse(stdout) as T
  }

  start(args: readonly string[], { env = {}, cwd = this.tree, input }: Start = {}): Started {
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { ...this.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.#started.push(child)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin?.end(input)
    const stdout = (): string => Buffer.concat(out).toString()
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, stdout: stdout(), stderr: Buffer.concat(err).toString() }))
    })
    return { process: child, ended, stdout }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) child.kill('SIGKILL')
    // A keeper that is still there may write once more; it ends when it finds its handle gone.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

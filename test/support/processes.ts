import { type ChildProcess, fork, type ForkOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

const started: ChildProcess[] = []
const folders: string[] = []

/** Ends what the test has started. */
afterEach(async () => {
  await Promise.all(
    started.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = new Promise((resolve) => void child.once('exit', resolve))
      child.kill('SIGKILL')
      await exited
    }),
  )
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A TypeScript program that the test talks to, and that ends with it. */
export function forkForTest(program: string, args: readonly string[], options: ForkOptions = {}): ChildProcess {
  const child = fork(program, args, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...options })
  started.push(child)
  return child
}

/** A folder of its own, gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  folders.push(folder)
  return folder
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly errors: string
}

/** Runs a TypeScript file to its end. It is killed if it has none. */
export function runToEnd(file: string, args: readonly string[], deadlineMs: number): Promise<Ended> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs })
  started.push(child)
  let [output, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString()))
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, output, errors }))
  })
}

/** What a {@link LockProcess} answers. */
export interface Held {
  readonly handle: number
  readonly fencingToken: number
  readonly lockedAt: number
}

/** Another process with a lock manager, which does what it is told. */
export class LockProcess {
  readonly #child: ChildProcess
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>()
  #lastCall = 0
  /** What it said without being asked. */
  readonly said: unknown[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message: { call?: number; value?: unknown; error?: object; said?: unknown }) => {
      if (message.call === undefined) return void this.said.push(message.said)
      const call = this.#calls.get(message.call)
      this.#calls.delete(message.call)
      if (message.error === undefined) call?.resolve(message.value)
      else call?.reject(Object.assign(new Error('failed in the other process'), message.error))
    })
    child.once('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('The other process has ended.'))
    })
  }

  /** Starts one on the store of a URL. */
  static async start(store: string): Promise<LockProcess> {
    const script = join(import.meta.dirname, '../e2e/lock-process.ts')
    const process = new LockProcess(forkForTest(script, [store]))
    await process.call('connect')
    return process
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  call<T = undefined>(method: string, ...args: unknown[]): Promise<T> {
    const call = (this.#lastCall += 1)
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(call, { resolve: resolve as (value: unknown) => void, reject })
      this.#child.send({ call, method, args })
    })
  }

  acquire(resource: string, options: object = {}): Promise<Held> {
    return this.call<Held>('acquire', resource, options)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it as a crash would, and waits for that. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => void this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await exited
  }
}

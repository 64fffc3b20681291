import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { freePort } from './free-port.ts'
import { RedisConnection } from './redis-connection.ts'
import type { RespValue } from './resp.ts'

const PROGRAM = 'redis-server'
const START_DEADLINE_MS = 10_000
const END_DEADLINE_MS = 3_000
const START_ATTEMPTS = 5

const started = new Set<RedisProcess>()

/** Ends what the test file has started. */
afterAll(async () => {
  await Promise.all([...started].map((each) => each.stop()))
})

// A worker that ends before its hooks have run leaves nothing behind either.
process.once('exit', () => {
  for (const each of started) {
    each.signal('SIGKILL')
    rmSync(each.folder, { recursive: true, force: true })
  }
})

/** How the tests' own commands get in. */
export interface Credentials {
  readonly password?: string | undefined
  readonly ca?: string | undefined
}

/** A `redis-server` process with a folder and a port of its own, in any of its roles. */
export class RedisProcess {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'holdfast-redis-'))
  readonly #args: readonly string[]
  readonly #credentials: Credentials
  #port = 0
  #child: ChildProcess | undefined
  #exited: Promise<unknown> | undefined
  #connection: Promise<RedisConnection> | undefined
  #output = ''

  private constructor(args: readonly string[], credentials: Credentials) {
    this.#args = args
    this.#credentials = credentials
  }

  /**
   * Starts one and waits until it serves.
   *
   * @param lines its configuration; they are asked for again with another port if somebody else took the first
   * @param args what goes behind the configuration file on its command line
   */
  static async start(
    lines: (port: number, folder: string) => readonly string[] | Promise<readonly string[]>,
    args: readonly string[] = [],
    credentials: Credentials = {},
  ): Promise<RedisProcess> {
    const process = new RedisProcess(args, credentials)
    started.add(process)
    for (let attempt = 1; ; attempt += 1) {
      process.#port = await freePort()
      const text = await lines(process.#port, process.folder)
      writeFileSync(join(process.folder, 'redis.conf'), `${text.join('\n')}\n`)
      try {
        await process.start()
        return process
      } catch (error) {
        if (attempt < START_ATTEMPTS && process.#output.includes('Address already in use')) continue
        await process.stop()
        throw error
      }
    }
  }

  get port(): number {
    return this.#port
  }

  /** What it has logged. */
  get output(): string {
    return this.#output
  }

  /** Starts it again on its port and folder, with its configuration as it has rewritten it. Resolves once it serves. */
  async start(): Promise<void> {
    this.#output = ''
    const child = spawn(PROGRAM, [join(this.folder, 'redis.conf'), ...this.#args], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#exited = new Promise((resolve) => {
      child.once('close', resolve)
      child.once('error', resolve)
    })
    await this.#untilServing(child)
  }

  #untilServing(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer)
        child.kill('SIGKILL')
        reject(new Error(`${PROGRAM} ${why}\n${this.#output}`))
      }
      const timer = setTimeout(() => fail('does not serve in time.'), START_DEADLINE_MS)
      const onData = (chunk: Buffer): void => {
        this.#output += chunk.toString()
        if (!/Ready to accept connections|Sentinel ID is/.test(this.#output)) return
        clearTimeout(timer)
        resolve()
      }
      child.stdout?.on('data', onData)
      child.stderr?.on('data', onData)
      child.once('close', () => fail('has ended.'))
      child.once('error', (error) =>
        fail(
          `cannot be started (${error.message}): install the Debian package ${PROGRAM}, or put Redis 7 on the PATH.`,
        ),
      )
    })
  }

  /** Sends a command over a connection of the tests' own. An error reply rejects. */
  async command(...args: readonly (string | number)[]): Promise<RespValue> {
    return (await this.#connected()).command(...args)
  }

  /** One connection for all, so that a command may end every other. */
  async #connected(): Promise<RedisConnection> {
    const present = this.#connection
    const connection = await present?.catch(() => undefined)
    if (connection?.isOpen === true) return connection
    // Of several who find it closed, one makes the next.
    if (this.#connection === present) {
      this.#connection = RedisConnection.open({ port: this.port, ...this.#credentials })
    }
    return this.#connection ?? this.#connected()
  }

  /** Fields of `INFO`. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    return fieldsOf(String(await this.command('INFO', section)))
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** As a crash of the machine's memory, not of its disk: nothing is written any more. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  /** Asks it to end, and ends it where it does not. The folder stays. */
  async shutDown(): Promise<void> {
    this.signal('SIGTERM')
    // One that was stopped ends only when it goes on.
    this.signal('SIGCONT')
    const timer = setTimeout(() => this.signal('SIGKILL'), END_DEADLINE_MS)
    await this.#exited
    clearTimeout(timer)
  }

  /** Ends it for good and removes its folder. */
  async stop(): Promise<void> {
    await this.#connection?.then(
      (connection) => connection.close(),
      () => {},
    )
    await this.kill()
    started.delete(this)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** `name:value` lines, as `INFO` and `CLUSTER INFO` give them. */
export function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const [, name, value] = /^(\w+):(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value ?? '']]
    }),
  )
}

import { type Credentials, RedisProcess } from './redis-process.ts'
import type { TlsFiles } from './redis-tls.ts'
import type { RespValue } from './resp.ts'

/** How a server is set up, where it is not as the tests usually want it: in memory only, open to everybody. */
export interface RedisServerOptions {
  /** Keeps an append-only file, and says when it is safe on disk. Default: none. */
  readonly appendFsync?: 'always' | 'everysec' | 'no'
  readonly maxmemory?: string
  /** Default `noeviction`. */
  readonly maxmemoryPolicy?: string
  readonly password?: string
  /** Access control lists: `alice on >secret ~holdfast:* +@all`. The default user stays as it is. */
  readonly users?: readonly string[]
  /** Speaks TLS only. */
  readonly tls?: TlsFiles
  /** Follows the server on this port of 127.0.0.1. */
  readonly replicaOf?: number
  /** Any further lines of the configuration. */
  readonly config?: readonly string[]
}

/** A real Redis on a port of its own. It is ended after the tests of the file. */
export class RedisServer implements AsyncDisposable {
  readonly #process: RedisProcess
  readonly #options: RedisServerOptions

  private constructor(process: RedisProcess, options: RedisServerOptions) {
    this.#process = process
    this.#options = options
  }

  /** Starts one and waits until it serves. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const credentials: Credentials = { password: options.password, ca: options.tls?.ca }
    const process = await RedisProcess.start((port, folder) => linesOf(options, port, folder), [], credentials)
    return new RedisServer(process, options)
  }

  get port(): number {
    return this.#process.port
  }

  get folder(): string {
    return this.#process.folder
  }

  /** What it has logged since it was started last. */
  get output(): string {
    return this.#process.output
  }

  /** Where the default user finds it. */
  get url(): string {
    return this.urlAt(this.port)
  }

  /** The same server through another port: a proxy's. */
  urlAt(port: number): string {
    const { password, tls } = this.#options
    const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`
    return `${tls === undefined ? 'redis' : 'rediss'}://${user}127.0.0.1:${port}`
  }

  /** Sends a command over a connection of the tests' own. An error reply rejects. */
  command(...args: readonly (string | number)[]): Promise<RespValue> {
    return this.#process.command(...args)
  }

  /** Fields of `INFO`. */
  info(section: string): Promise<ReadonlyMap<string, string>> {
    return this.#process.info(section)
  }

  /** How often it has executed each command: `evalsha` to 12. */
  async calls(): Promise<ReadonlyMap<string, number>> {
    const fields = await this.info('commandstats')
    return new Map(
      [...fields].map(([name, stats]) => [name.replace('cmdstat_', ''), Number(/calls=(\d+)/.exec(stats)?.[1] ?? 0)]),
    )
  }

  /** SIGKILL; the folder stays. */
  kill(): Promise<void> {
    return this.#process.kill()
  }

  /** SIGTERM: it writes what it has to and ends; the folder stays. */
  shutDown(): Promise<void> {
    return this.#process.shutDown()
  }

  /** Starts it again on the same port and folder. Resolves once it serves, with its data loaded. */
  restart(): Promise<void> {
    return this.#process.start()
  }

  /** It stands still: connections stay open, and nobody answers. */
  freeze(): void {
    this.#process.signal('SIGSTOP')
  }

  thaw(): void {
    this.#process.signal('SIGCONT')
  }

  /** Ends it for good, and removes its folder. */
  stop(): Promise<void> {
    return this.#process.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function linesOf(options: RedisServerOptions, port: number, folder: string): readonly string[] {
  const { appendFsync, maxmemory, maxmemoryPolicy = 'noeviction', password, users = [], tls, replicaOf } = options
  const lines = [
    `dir ${folder}`,
    'bind 127.0.0.1',
    'save ""',
    'shutdown-timeout 0',
    `maxmemory-policy ${maxmemoryPolicy}`,
  ]
  // A replica would wait five seconds for others that want the same copy.
  lines.push('repl-diskless-sync-delay 0')
  if (tls === undefined) lines.push(`port ${port}`)
  else {
    const { certFile, keyFile } = tls
    lines.push(
      'port 0',
      `tls-port ${port}`,
      `tls-cert-file ${certFile}`,
      `tls-key-file ${keyFile}`,
      'tls-auth-clients no',
    )
  }
  if (appendFsync !== undefined) lines.push('appendonly yes', `appendfsync ${appendFsync}`)
  if (maxmemory !== undefined) lines.push(`maxmemory ${maxmemory}`)
  if (password !== undefined) lines.push(`requirepass "${password}"`, `masterauth "${password}"`)
  if (replicaOf !== undefined) lines.push(`replicaof 127.0.0.1 ${replicaOf}`)
  return [...lines, ...users.map((user) => `user ${user}`), ...(options.config ?? [])]
}
